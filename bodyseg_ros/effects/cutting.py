"""Cut people out, with hard or soft edges, on transparency or one color."""

from __future__ import annotations

from typing import Final, Literal

import cv2
import numpy as np

from ..settings import Settings, live
from ..types import Frame, Result, Wanted
from .blending import Mask, Picture, fill_plain, mix, require, soft_edge
from .effect import Effect
from .palettes import Rgb

__all__ = ["Alpha", "Cutout", "SmoothStep"]

_KEYS: Final = {"magenta": (255, 0, 255), "green": (0, 255, 0)}


def _cut_out(image: Picture, alpha: Mask) -> Picture:
    """RGBA; fully transparent pixels are black."""
    shown = cv2.copyTo(image, alpha).reshape(image.shape)
    return np.asarray(cv2.merge([*cv2.split(shown), alpha]), np.uint8).reshape(*alpha.shape, 4)


class CutoutSettings(Settings):
    """What replaces the background."""

    background: Literal["transparent", "magenta", "green", "color"] = live(
        "transparent", "What replaces the background; color: uses `color`."
    )
    color: Rgb = live((255, 255, 255), "Color behind people if background is color: red, green, blue.")


class Cutout(Effect):
    """Keep people; make everything else transparent or one color."""

    api_version = 1
    Settings = CutoutSettings
    needs = Wanted.PERSON
    settings: CutoutSettings

    def compose(self, frame: Frame, result: Result) -> Picture:
        """(H, W, 4) uint8 RGBA, alpha 255 on people, all zero elsewhere; (H, W, 3) RGB on a color."""
        alpha = require(result.person, "a person mask").view(np.uint8) * np.uint8(255)
        if self.settings.background == "transparent":
            return _cut_out(frame.image, alpha)
        paint = fill_plain(frame.image, _KEYS.get(self.settings.background, self.settings.color))
        return mix(paint, frame.image, alpha)


class AlphaSettings(Settings):
    """How soft the edge is."""

    feather_px: int = live(4, "Half width of the soft edge around people.", ge=0, le=50)


class Alpha(Effect):
    """Cut people out with a feathered edge; a later effect places them with this edge."""

    api_version = 1
    Settings = AlphaSettings
    needs = Wanted.PERSON
    settings: AlphaSettings

    def compose(self, frame: Frame, result: Result) -> Picture:
        """(H, W, 4) uint8 RGBA, straight alpha."""
        return _cut_out(frame.image, soft_edge(result, self.settings.feather_px))


class SmoothStepSettings(Settings):
    """Probability range of the edge."""

    low: float = live(0.3, "Person probability below which pixels are transparent.", ge=0.0, le=0.99)
    high: float = live(0.9, "Person probability above which pixels are opaque; at least 0.01 above low.", ge=0, le=1)


class SmoothStep(Effect):
    """Cut people out with opacity by the network's probability; a later effect places them with this edge."""

    api_version = 1
    Settings = SmoothStepSettings
    needs = Wanted.CONFIDENCE
    settings: SmoothStepSettings

    def __init__(self, settings: SmoothStepSettings) -> None:
        super().__init__(settings)
        low, high = settings.low, max(settings.high, settings.low + 0.01)
        share = np.clip((np.arange(256) / 255 - low) / (high - low), 0, 1)
        self._table = np.rint(255 * share * share * (3 - 2 * share)).astype(np.uint8)

    def compose(self, frame: Frame, result: Result) -> Picture:
        """(H, W, 4) uint8 RGBA, straight alpha: 3t² − 2t³ of the probability between low and high."""
        confidence = require(result.confidence, "person probabilities").view(np.float32)
        return _cut_out(frame.image, self._table[(confidence * np.float32(255)).astype(np.uint8)])
