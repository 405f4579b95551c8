"""Hide people or parts of them. In doubt, more is hidden.

People missed by the network are not hidden: use margins, a low threshold, or the node privacy_camera.
"""

from __future__ import annotations

from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import field_validator
from pydantic_core import PydanticCustomError

from ..body import PART_NAMES
from ..settings import Settings, live
from ..types import Frame, Result, Wanted
from .blending import Mask, Picture, blur, fill_plain, fill_unknown, grow, long_side, make_cells, mix, require
from .effect import Effect
from .palettes import Rgb
from .rendering import draw_pixelated_mask, to_colored_mask

__all__ = ["Anonymize", "BlurParts", "Pixelate", "RemovePeople"]

_FACE: Final = ("left_face", "right_face")
#: With smaller cells people could be recognized.
_LEAST_CELL_PX: Final = 4
_STRENGTH: Final = "Cell size or blur radius, as a share of the image's longer side."
_MARGIN: Final = "Margin that is hidden as well, as a share of the image's longer side."


def _share_px(image: Picture, share: float, least: int = 0) -> int:
    return max(least, round(share * long_side(image)))


def _parts_mask(parts: NDArray[np.int8], names: tuple[str, ...]) -> Mask:
    """Mask of the listed parts."""
    table = np.zeros(256, np.uint8)
    table[[PART_NAMES.index(name) for name in names]] = 1
    return table[parts.view(np.uint8)]


def _cover(image: Picture, how: str, strength: float) -> Picture:
    size_px = _share_px(image, strength, _LEAST_CELL_PX)
    return make_cells(image, size_px) if how == "pixelate" else blur(image, size_px)


class PixelateSettings(Settings):
    """What to pixelate, and the cell size."""

    what: Literal["people", "parts"] = live(
        "people", "people: pixelate people. parts: draw pixelated part colors over them, as drawPixelatedMask does."
    )
    strength: float = live(0.04, _STRENGTH, ge=0.01, le=0.5)
    margin: float = live(0.01, _MARGIN, ge=0.0, le=0.2)
    opacity: float = live(0.7, "With parts: opacity of the cells.", ge=0.0, le=1.0)


class Pixelate(Effect):
    """People in coarse cells."""

    api_version = 1
    Settings = PixelateSettings
    hides_people = True
    settings: PixelateSettings

    def __init__(self, settings: PixelateSettings) -> None:
        super().__init__(settings)
        self.needs = Wanted.PERSON if settings.what == "people" else Wanted.PARTS

    def compose(self, frame: Frame, result: Result) -> Picture:
        """(H, W, 3) uint8 RGB."""
        image, cell_px = frame.image, _share_px(frame.image, self.settings.strength, _LEAST_CELL_PX)
        if self.settings.what == "parts":
            mask = to_colored_mask(require(result.parts, "a part map").view(np.int8))
            return draw_pixelated_mask(image, mask, self.settings.opacity, pixel_cell_width=cell_px)
        area = grow(require(result.person, "a person mask").view(np.uint8), _share_px(image, self.settings.margin))
        return mix(image, make_cells(image, cell_px), area * np.uint8(255))


class BlurPartsSettings(Settings):
    """Which parts to blur, and how strongly."""

    parts: tuple[str, ...] = live(_FACE, "Names of the parts to blur; `bodyseg effects show blur_parts` lists them.")
    strength: float = live(0.02, _STRENGTH, ge=0.002, le=0.5)
    margin: float = live(0.01, _MARGIN, ge=0.0, le=0.2)
    feather_px: int = live(3, "Width of the soft edge outside the margin.", ge=0, le=50)

    @field_validator("parts")
    @classmethod
    def _are_parts(cls, parts: tuple[str, ...]) -> tuple[str, ...]:
        if not parts or not set(parts) <= set(PART_NAMES):
            raise PydanticCustomError("allowed", "{names}", {"names": f"one or more of {', '.join(PART_NAMES)}"})
        return parts


class BlurParts(Effect):
    """Blur selected body parts; faces by default."""

    api_version = 1
    Settings = BlurPartsSettings
    needs = Wanted.PARTS
    hides_people = True
    settings: BlurPartsSettings

    def compose(self, frame: Frame, result: Result) -> Picture:
        """(H, W, 3) uint8 RGB."""
        parts, soft_px = require(result.parts, "a part map").view(np.int8), self.settings.feather_px
        area = grow(_parts_mask(parts, self.settings.parts), _share_px(frame.image, self.settings.margin) + soft_px)
        weight = cv2.blur(area * np.uint8(255), (2 * soft_px + 1,) * 2).reshape(area.shape)
        paint = blur(frame.image, _share_px(frame.image, self.settings.strength, 1))
        return mix(frame.image, paint, np.asarray(weight, np.uint8))


class AnonymizeSettings(Settings):
    """Whom, and how."""

    what: Literal["people", "faces"] = live("people", "What to hide. faces: if no face is found, the whole person.")
    how: Literal["fill", "pixelate", "blur", "silhouette"] = live(
        "fill",
        "fill: one color. silhouette: one color, with holes in the mask filled. pixelate, blur: coarse cells or blur.",
    )
    color: Rgb = live((40, 40, 40), "Color of fill and silhouette: red, green, blue.")
    strength: float = live(0.04, _STRENGTH, ge=0.01, le=0.5)
    margin: float = live(0.015, _MARGIN, ge=0.0, le=0.2)


class Anonymize(Effect):
    """Make people or faces unrecognizable."""

    api_version = 1
    Settings = AnonymizeSettings
    hides_people = True
    settings: AnonymizeSettings

    def __init__(self, settings: AnonymizeSettings) -> None:
        super().__init__(settings)
        self.needs = Wanted.PERSON | (Wanted.PARTS if settings.what == "faces" else Wanted.NOTHING)

    def compose(self, frame: Frame, result: Result) -> Picture:
        """(H, W, 3) uint8 RGB."""
        area = require(result.person, "a person mask").view(np.uint8)
        if self.settings.what == "faces":
            area = _faces(area, _parts_mask(require(result.parts, "a part map").view(np.int8), _FACE))
        area = grow(area, _share_px(frame.image, self.settings.margin))
        if self.settings.how == "silhouette":
            area = area.copy()
            contours, _ = cv2.findContours(area, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(area, contours, -1, 1, cv2.FILLED)
        if self.settings.how in ("fill", "silhouette"):
            paint = fill_plain(frame.image, self.settings.color)
        else:
            paint = _cover(frame.image, self.settings.how, self.settings.strength)
        return mix(frame.image, paint, area * np.uint8(255))


def _faces(person: Mask, face: Mask) -> Mask:
    """Faces, and the whole of each connected region of people without a detected face."""
    count, areas = cv2.connectedComponents(person)
    faceless = np.ones(count, np.uint8)
    faceless[areas.reshape(person.shape)[face == 1]] = 0
    faceless[0] = 0
    hidden: Mask = np.maximum(face, faceless[areas.reshape(person.shape)])
    return hidden


class RemovePeopleSettings(Settings):
    """Margin around people that shows the remembered background too."""

    margin: float = live(0.02, _MARGIN, ge=0.0, le=0.2)


class RemovePeople(Effect):
    """Show the background as last seen without people; unseen areas get the surrounding colors."""

    api_version = 1
    Settings = RemovePeopleSettings
    needs = Wanted.PERSON
    hides_people = True
    settings: RemovePeopleSettings

    def __init__(self, settings: RemovePeopleSettings) -> None:
        super().__init__(settings)
        self._learnt = np.zeros((0, 0, 3), np.uint8)
        self._unknown = np.zeros((0, 0), np.uint8)

    def compose(self, frame: Frame, result: Result) -> Picture:
        """Return (H, W, 3) uint8 RGB; a frame of another size resets the background."""
        person = require(result.person, "a person mask").view(np.uint8)
        area = grow(person, _share_px(frame.image, self.settings.margin))
        if self._unknown.shape != area.shape:
            self._learnt, self._unknown = np.zeros_like(frame.image), np.ones_like(area)
        cv2.copyTo(frame.image, np.equal(area, 0).view(np.uint8), self._learnt)
        self._unknown &= area
        return fill_unknown(self._learnt, self._unknown).copy()
