"""Drawn over the picture: mask, parts, skeletons."""

from __future__ import annotations

from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from ..body import PART_COLORS, SKELETON, rainbow
from ..errors import FrameError
from ..settings import Settings, live
from ..types import Frame, Result, Wanted

__all__ = ["ColoredParts", "Overlay", "Skeleton", "colored_parts"]

_MASK_RGB = (0, 200, 120)
_CONTOUR_RGB = (255, 255, 255)
#: Neighbours in this order lie far apart on the colour circle.
_PEOPLE_RGB = tuple(rainbow(10)[3 * index % 10] for index in range(10))
#: Long side for which a line of one pixel is thin but seen.
_PX_PER_LINE = 320


def need(picture: NDArray[np.generic] | None, name: str) -> NDArray[np.generic]:
    """`picture`, or a FrameError that says the result lacks it."""
    if picture is None:
        raise FrameError(f"This effect needs {name}, but the result holds none; ask for it with the frame.")
    return picture


def colored_parts(parts: NDArray[np.int8]) -> NDArray[np.uint8]:
    """Part ids (H, W), −1 background, to (H, W, 3) RGB in PART_COLORS; background black."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(PART_COLORS)] = PART_COLORS
    return table[parts.view(np.uint8)]


def _blend(image: NDArray[np.uint8], paint: NDArray[np.uint8], where: NDArray[np.bool_], opacity: float) -> None:
    """Mix `paint` into `image` in place where `where` is true."""
    mixed = cv2.addWeighted(image, 1.0 - opacity, paint, opacity, 0.0)
    np.copyto(image, np.asarray(mixed, np.uint8), where=where[..., None])


def _line_px(wanted: int, image: NDArray[np.uint8]) -> int:
    """The line width asked for; −1: by the picture's size."""
    return max(1, round(max(image.shape[:2]) / _PX_PER_LINE)) if wanted < 0 else wanted


class OverlaySettings(Settings):
    """How the mask lies over the picture."""

    opacity: float = live(0.5, "Share of the mask's colour where a person is.", ge=0.0, le=1.0)
    contour_px: int = live(
        -1, "Width of the line around people; 0 draws none, -1 goes by the picture's size.", ge=-1, le=20
    )


class Overlay:
    """The picture with people tinted, a line around them; one colour each where people are told apart."""

    Settings: ClassVar[type[Settings]] = OverlaySettings
    needs: ClassVar[Wanted] = Wanted.PERSON

    def __init__(self, settings: OverlaySettings) -> None:
        self._settings = settings

    def compose(self, frame: Frame, result: Result) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB."""
        person = need(result.person, "a person mask").view(np.uint8)
        image = frame.image.copy()
        paint = np.empty_like(image)
        paint[:] = _MASK_RGB
        if result.instances is not None:
            for index in range(int(result.instances.max(initial=-1)) + 1):
                paint[result.instances == index] = _PEOPLE_RGB[index % len(_PEOPLE_RGB)]
        _blend(image, paint, person == 1, self._settings.opacity)
        width = _line_px(self._settings.contour_px, image)
        if width:
            contours, _ = cv2.findContours(person.copy(), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(image, contours, -1, _CONTOUR_RGB, width, cv2.LINE_AA)
        return image


class ColoredPartsSettings(Settings):
    """How the parts lie over the picture."""

    opacity: float = live(0.8, "Share of the part's colour; 1 hides the person.", ge=0.0, le=1.0)


class ColoredParts:
    """The picture with each of the 24 body parts in its own colour."""

    Settings: ClassVar[type[Settings]] = ColoredPartsSettings
    needs: ClassVar[Wanted] = Wanted.PARTS

    def __init__(self, settings: ColoredPartsSettings) -> None:
        self._settings = settings

    def compose(self, frame: Frame, result: Result) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB."""
        parts = need(result.parts, "a part map").view(np.int8)
        image = frame.image.copy()
        _blend(image, colored_parts(parts), parts >= 0, self._settings.opacity)
        return image


class SkeletonSettings(Settings):
    """How skeletons are drawn."""

    min_score: float = live(0.3, "A keypoint below this score is not drawn.", ge=0.0, le=1.0)
    line_px: int = live(0, "Width of the bones; 0 goes by the picture's size.", ge=0, le=20)


class Skeleton:
    """The picture with every person's bones and keypoints."""

    Settings: ClassVar[type[Settings]] = SkeletonSettings
    needs: ClassVar[Wanted] = Wanted.POSES

    def __init__(self, settings: SkeletonSettings) -> None:
        self._settings = settings

    def compose(self, frame: Frame, result: Result) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB."""
        image = frame.image.copy()
        if result.poses is None:
            raise FrameError("This effect needs poses, but the result holds none; ask for them with the frame.")
        width = _line_px(self._settings.line_px or -1, image)
        for index, (points, scores) in enumerate(
            zip(result.poses.keypoints, result.poses.keypoint_scores, strict=True)
        ):
            colour = _PEOPLE_RGB[index % len(_PEOPLE_RGB)]
            seen = scores >= self._settings.min_score
            pixels = np.clip(np.rint(points), -32768, 32767).astype(int)
            for start, end in SKELETON:
                if seen[start] and seen[end]:
                    cv2.line(image, tuple(pixels[start]), tuple(pixels[end]), colour, width, cv2.LINE_AA)
            for point in pixels[seen]:
                cv2.circle(image, tuple(point), width + 1, _CONTOUR_RGB, -1, cv2.LINE_AA)
                cv2.circle(image, tuple(point), width, colour, -1, cv2.LINE_AA)
        return image
