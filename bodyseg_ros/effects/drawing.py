"""Draw masks, parts and skeletons over the image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import field_validator
from pydantic_core import PydanticCustomError

from ..body import PART_COLORS, PART_NAMES, SKELETON, rainbow
from ..errors import FrameError
from ..settings import Settings, live
from ..types import Frame, Result, Wanted
from .blending import Mask, Picture, fill_plain, long_side, mix, require
from .effect import Effect
from .palettes import PALETTES, Rgb, hex_colors

__all__ = ["ColoredParts", "Overlay", "Skeleton", "colored_parts", "people_colors"]

_CONTOUR_RGB: Final = (255, 255, 255)
#: In this order neighbors are far apart on the color circle.
_PEOPLE_RGB: Final = tuple(rainbow(10)[3 * index % 10] for index in range(10))
#: Text height of an id, in line widths.
_DIGITS: Final = 7
#: Long side up to which lines are one pixel wide.
_PX_PER_LINE: Final = 320


def colored_parts(parts: NDArray[np.int8], colors: tuple[tuple[int, int, int], ...] = PART_COLORS) -> NDArray[np.uint8]:
    """Part ids (H, W), −1 background, to (H, W, 3) RGB in `colors`; background black."""
    return _paint_values(parts.view(np.uint8), colors)


def _paint_values(values: Mask, colors: Sequence[tuple[int, int, int]], other: tuple[int, ...] = (0, 0, 0)) -> Picture:
    """Color each value, with `other` for values beyond the colors: (H, W) to (H, W, 3) RGB."""
    table = np.full((1, 256, 3), other, np.uint8)
    table[0, : len(colors)] = np.reshape(colors, (-1, 3))  # there are no colors if there is nobody
    return np.asarray(cv2.LUT(cv2.merge([values] * 3), table), np.uint8).reshape(*values.shape, 3)


def people_colors(result: Result) -> list[tuple[int, int, int]]:
    """Return a color per person: by id if tracked, otherwise by index."""
    places = range(len(result)) if result.tracks is None else [number - 1 for number in result.tracks.ids]
    return [_PEOPLE_RGB[place % len(_PEOPLE_RGB)] for place in places]


def _line_px(wanted: int, image: Picture) -> int:
    """Line width; −1: from the image's size."""
    return max(1, round(long_side(image) / _PX_PER_LINE)) if wanted < 0 else wanted


class OverlaySettings(Settings):
    """Settings of the overlay."""

    mask: Literal["people", "background", "parts"] = live(
        "people", "What to paint: people, the background (as the reference's drawMask), or body parts."
    )
    color: Rgb = live((0, 200, 120), "Mask color if people are not separated: red, green, blue.")
    opacity: float = live(0.5, "Opacity of the mask color.", ge=0.0, le=1.0)
    edge_blur_px: int = live(0, "Blur radius of the mask's edge.", ge=0, le=20)
    contour_px: int = live(-1, "Width of the outline; 0: none, -1: from the image's size.", ge=-1, le=20)


class Overlay(Effect):
    """Draw a colored mask with outlines; one color per person if separated."""

    api_version = 1
    Settings = OverlaySettings
    settings: OverlaySettings

    def __init__(self, settings: OverlaySettings) -> None:
        super().__init__(settings)
        self.needs = Wanted.PARTS | Wanted.PERSON if settings.mask == "parts" else Wanted.PERSON

    def compose(self, frame: Frame, result: Result) -> Picture:
        """(H, W, 3) uint8 RGB."""
        person = require(result.person, "a person mask").view(np.uint8)
        paint, where = self._paint(frame, result, person)
        weight = where * np.uint8(round(255 * self.settings.opacity))
        if self.settings.edge_blur_px:
            weight = np.asarray(cv2.GaussianBlur(weight, (0, 0), self.settings.edge_blur_px), np.uint8)
        image = mix(frame.image, paint, weight.reshape(person.shape))
        width = _line_px(self.settings.contour_px, image)
        if width:
            contours, _ = cv2.findContours(person.copy(), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(image, contours, -1, _CONTOUR_RGB, width, cv2.LINE_AA)
        return image

    def _paint(self, frame: Frame, result: Result, person: Mask) -> tuple[Picture, Mask]:
        """Return the mask's colors, and where it is: 1."""
        if self.settings.mask == "parts":
            parts = require(result.parts, "a part map").view(np.int8)
            return colored_parts(parts), np.greater_equal(parts, 0).view(np.uint8)
        if self.settings.mask == "background":
            return fill_plain(frame.image, self.settings.color), 1 - person
        if result.instances is None:
            return fill_plain(frame.image, self.settings.color), person
        # −1, nobody, becomes 255; there are never that many people.
        colors = _PEOPLE_RGB * 25 if result.poses is None else people_colors(result)
        return _paint_values(result.instances.astype(np.uint8), colors, self.settings.color), person


class ColoredPartsSettings(Settings):
    """Settings of the part overlay."""

    opacity: float = live(0.8, "Opacity of the part colors; 1 hides the person.", ge=0.0, le=1.0)
    palette: Literal["rainbow", "warm", "spectral", "own"] = live(
        "rainbow", "Part colors; the first three are the reference's, own uses `colors`."
    )
    colors: tuple[str, ...] = live((), "With palette own: 24 colors as '#rrggbb', in the order of the part ids.")

    @field_validator("colors")
    @classmethod
    def _is_palette(cls, colors: tuple[str, ...]) -> tuple[str, ...]:
        try:
            count = len(hex_colors(colors))
        except ValueError:
            count = -1
        if count not in (0, len(PART_NAMES)):
            raise PydanticCustomError("allowed", "24 colors written as '#rrggbb', or none")
        return colors


class ColoredParts(Effect):
    """Draw each of the 24 body parts in its own color."""

    api_version = 1
    Settings = ColoredPartsSettings
    needs = Wanted.PARTS
    settings: ColoredPartsSettings

    def __init__(self, settings: ColoredPartsSettings) -> None:
        super().__init__(settings)
        self._colors = hex_colors(settings.colors) if settings.palette == "own" else PALETTES[settings.palette]
        self._colors = self._colors or PART_COLORS

    def compose(self, frame: Frame, result: Result) -> Picture:
        """(H, W, 3) uint8 RGB."""
        parts = require(result.parts, "a part map").view(np.int8)
        weight = np.greater_equal(parts, 0).view(np.uint8) * np.uint8(round(255 * self.settings.opacity))
        return mix(frame.image, colored_parts(parts, self._colors), weight)


class SkeletonSettings(Settings):
    """How skeletons are drawn."""

    min_score: float = live(0.3, "Minimum score of a drawn keypoint.", ge=0.0, le=1.0)
    line_px: int = live(0, "Line width; 0: from the image's size.", ge=0, le=20)
    ids: bool = live(True, "Write the ids of tracked people above their heads.")


class Skeleton(Effect):
    """Draw every person's bones and keypoints."""

    api_version = 1
    Settings = SkeletonSettings
    needs = Wanted.POSES
    settings: SkeletonSettings

    def compose(self, frame: Frame, result: Result) -> Picture:
        """(H, W, 3) uint8 RGB."""
        image = frame.image.copy()
        if result.poses is None:
            raise FrameError("This effect needs poses, but the result has none; request them in wanted.")
        width = _line_px(self.settings.line_px or -1, image)
        for person, color in zip(result, people_colors(result), strict=True):
            points, seen = person.keypoints, person.keypoint_scores >= self.settings.min_score
            pixels = np.clip(np.rint(points), -32768, 32767).astype(int)
            for start, end in SKELETON:
                if seen[start] and seen[end]:
                    cv2.line(image, tuple(pixels[start]), tuple(pixels[end]), color, width, cv2.LINE_AA)
            for point in pixels[seen]:
                cv2.circle(image, tuple(point), width + 1, _CONTOUR_RGB, -1, cv2.LINE_AA)
                cv2.circle(image, tuple(point), width, color, -1, cv2.LINE_AA)
            if self.settings.ids and person.id is not None and seen.any():
                _write_id(image, str(person.id), pixels[seen][pixels[seen][:, 1].argmin()], color, width)
        return image


def _write_id(image: Picture, text: str, point: NDArray[np.int64], color: tuple[int, int, int], width: int) -> None:
    """Draw text above a point, inside the image, with a light edge."""
    font = cv2.FONT_HERSHEY_SIMPLEX
    scale = cv2.getFontScaleFromHeight(font, _DIGITS * width + 4, width)
    (wide, high), _ = cv2.getTextSize(text, font, scale, width)
    left = int(np.clip(point[0] - wide // 2, 0, max(0, image.shape[1] - wide)))
    bottom = int(np.clip(point[1] - 2 * high, high + width, image.shape[0]))
    for ink, thick in ((_CONTOUR_RGB, 3 * width), (color, width)):
        cv2.putText(image, text, (left, bottom), font, scale, ink, thick, cv2.LINE_AA)
