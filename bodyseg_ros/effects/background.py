"""Replace or blur the background."""

from __future__ import annotations

from ..settings import Settings, live
from ..types import Frame, Result, Wanted
from .backdrop import Backdrop, BackdropSettings
from .blending import Picture, blur, mix, require, soft_edge
from .effect import Effect

__all__ = ["BlurBackground", "VirtualBackground"]


class BlurBackgroundSettings(Settings):
    """Blur strength and edge softness."""

    sigma_px: float = live(9.0, "Strength of the blur.", ge=0.5, le=100.0)
    feather_px: int = live(3, "Half width of the soft edge around people.", ge=0, le=50)


class BlurBackground(Effect):
    """Blur the background; people stay sharp, and their colors do not bleed into it."""

    api_version = 1
    Settings = BlurBackgroundSettings
    needs = Wanted.PERSON
    settings: BlurBackgroundSettings

    def compose(self, frame: Frame, result: Result) -> Picture:
        """(H, W, 3) uint8 RGB."""
        person = require(result.person, "a person mask")
        paint = blur(frame.image, self.settings.sigma_px, without=person.view("u1"))
        return mix(paint, frame.image, soft_edge(result, self.settings.feather_px))


class VirtualBackgroundSettings(BackdropSettings):
    """Background source and edge softness."""


class VirtualBackground(Effect):
    """Replace the background by a color, a photo, a video, or another topic."""

    api_version = 1
    Settings = VirtualBackgroundSettings
    needs = Wanted.PERSON
    settings: VirtualBackgroundSettings

    def __init__(self, settings: VirtualBackgroundSettings) -> None:
        super().__init__(settings)
        self._backdrop = Backdrop(settings, "virtual_background")

    def compose(self, frame: Frame, result: Result) -> Picture:
        """(H, W, 3) uint8 RGB."""
        return mix(self._backdrop.picture(frame), frame.image, soft_edge(result, self.settings.feather_px))
