"""People kept, the rest replaced: cut-out, blur, another background."""

from __future__ import annotations

from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import field_validator

from ..settings import Settings, live
from ..types import Frame, Result, Wanted
from .drawing import need

__all__ = ["BlurBackground", "Cutout", "VirtualBackground"]


def _mix(image: NDArray[np.uint8], background: NDArray[np.uint8], result: Result, feather_px: int) -> NDArray[np.uint8]:
    """People of `image` before `background`, the mask's edge softened over `feather_px` pixels."""
    person = need(result.person, "a person mask").view(np.uint8)
    if feather_px == 0:
        return np.where(person[..., None] == 1, image, background)
    alpha = cv2.blur(person * np.uint8(255), (2 * feather_px + 1, 2 * feather_px + 1))
    weight = np.repeat(np.asarray(alpha, np.uint16)[..., None], 3, axis=2)
    return np.asarray((image * weight + background * (255 - weight) + 127) // 255, np.uint8)


class CutoutSettings(Settings):
    """A cut-out has no parameters."""


class Cutout:
    """People alone, everything else transparent."""

    Settings: ClassVar[type[Settings]] = CutoutSettings
    needs: ClassVar[Wanted] = Wanted.PERSON

    def __init__(self, settings: CutoutSettings) -> None:
        pass

    def compose(self, frame: Frame, result: Result) -> NDArray[np.uint8]:
        """(H, W, 4) uint8 RGBA: alpha 255 on people, all zero elsewhere."""
        person = need(result.person, "a person mask").view(np.uint8)
        rgba = np.dstack([frame.image, person * np.uint8(255)])
        rgba[person == 0] = 0
        return rgba


class BlurBackgroundSettings(Settings):
    """How strongly, and how softly at the edge."""

    sigma_px: float = live(9.0, "Strength of the blur.", ge=0.5, le=100.0)
    feather_px: int = live(3, "Half width of the soft edge around people.", ge=0, le=50)


class BlurBackground:
    """People sharp before their own background, blurred."""

    Settings: ClassVar[type[Settings]] = BlurBackgroundSettings
    needs: ClassVar[Wanted] = Wanted.PERSON

    def __init__(self, settings: BlurBackgroundSettings) -> None:
        self._settings = settings

    def compose(self, frame: Frame, result: Result) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB."""
        blurred = cv2.GaussianBlur(frame.image, (0, 0), self._settings.sigma_px)
        return _mix(frame.image, np.asarray(blurred, np.uint8), result, self._settings.feather_px)


class VirtualBackgroundSettings(Settings):
    """What stands behind people."""

    color: tuple[int, ...] = live((0, 110, 80), "Colour behind people: red, green, blue, 0 to 255.")
    feather_px: int = live(2, "Half width of the soft edge around people.", ge=0, le=50)

    @field_validator("color")
    @classmethod
    def _is_rgb(cls, color: tuple[int, ...]) -> tuple[int, ...]:
        if len(color) != 3 or not all(0 <= channel <= 255 for channel in color):
            raise ValueError(
                f"Parameter virtual_background.color is {list(color)}, "
                "but it must be three whole numbers from 0 to 255."
            )
        return color


class VirtualBackground:
    """People before a plain colour."""

    Settings: ClassVar[type[Settings]] = VirtualBackgroundSettings
    needs: ClassVar[Wanted] = Wanted.PERSON

    def __init__(self, settings: VirtualBackgroundSettings) -> None:
        self._settings = settings

    def compose(self, frame: Frame, result: Result) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB."""
        background = np.empty_like(frame.image)
        background[:] = self._settings.color
        return _mix(frame.image, background, result, self._settings.feather_px)
