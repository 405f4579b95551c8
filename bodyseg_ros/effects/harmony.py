"""Match people to their background."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cv2
import numpy as np

from ..catalog import load_card, locate
from ..errors import ModelError, PluginError, SettingsError
from ..settings import Settings, live, start_only
from ..types import Frame, Result, Wanted
from .backdrop import Backdrop, BackdropSettings
from .blending import Picture, mix, require, soft_edge
from .effect import Effect
from .harmony_networks import open_network

__all__ = ["ColorTransfer", "Harmonize", "SeamlessClone"]

#: Contrast is changed by at most this factor, or noise of a dark coat would become bright.
_MOST_CONTRAST: Final = 2.0
#: OpenCV clones nothing narrower.
_LEAST_CLONE_PX: Final = 3
#: Card of the network that is taken where no file is named.
SHIPPED_NETWORK: Final = "harmony-64"


class ColorTransferSettings(Settings):
    """Strength of the color transfer."""

    strength: float = live(0.6, "Strength of the background's color statistics, 0 to 1.", ge=0.0, le=1.0)
    feather_px: int = live(2, "Half width of the soft edge around people.", ge=0, le=50)


class ColorTransfer(Effect):
    """Give people the brightness and tint of their background; use after virtual_background.

    Mean and spread of each Lab channel (Reinhard et al., Color Transfer between Images, 2001).
    """

    api_version = 1
    Settings = ColorTransferSettings
    needs = Wanted.PERSON
    settings: ColorTransferSettings

    def compose(self, frame: Frame, result: Result) -> Picture:
        """Return (H, W, 3) uint8 RGB; the unchanged frame if it has no people or no background."""
        person = require(result.person, "a person mask").view(np.uint8)
        if not person.any() or person.all():
            return frame.image.copy()
        lab = cv2.cvtColor(frame.image, cv2.COLOR_RGB2LAB)
        (mean, spread), (to_mean, to_spread) = (cv2.meanStdDev(lab, mask=mask) for mask in (person, 1 - person))
        factor = np.clip(to_spread / np.maximum(spread, 1), 1 / _MOST_CONTRAST, _MOST_CONTRAST)
        values = np.arange(256)
        wanted = (values - mean) * factor + to_mean  # (3, 256)
        table = np.clip(np.rint(values + self.settings.strength * (wanted - values)), 0, 255).astype(np.uint8)
        changed = cv2.cvtColor(cv2.LUT(lab, np.ascontiguousarray(table.T)[None]), cv2.COLOR_LAB2RGB)
        return mix(frame.image, np.asarray(changed, np.uint8), soft_edge(result, self.settings.feather_px))


class SeamlessCloneSettings(BackdropSettings):
    """Background to clone into; feather_px is the width of the transition."""

    feather_px: int = live(4, "Width of the surroundings copied along with people.", ge=0, le=50)


class SeamlessClone(Effect):
    """Put people on another background without a seam: Poisson blending (Pérez et al., Poisson Image Editing, 2003)."""

    api_version = 1
    Settings = SeamlessCloneSettings
    needs = Wanted.PERSON
    settings: SeamlessCloneSettings

    def __init__(self, settings: SeamlessCloneSettings) -> None:
        super().__init__(settings)
        self._backdrop = Backdrop(settings, "seamless_clone")

    def compose(self, frame: Frame, result: Result) -> Picture:
        """Return (H, W, 3) uint8 RGB; people that touch the image border are pasted in its outermost pixels."""
        weight = soft_edge(result, self.settings.feather_px)
        picture = mix(self._backdrop.picture(frame), frame.image, soft_edge(result, 0))
        mask = np.greater(weight, 0).view(np.uint8) * np.uint8(255)
        mask[[0, -1]] = 0
        mask[:, [0, -1]] = 0
        left, top, width, height = cv2.boundingRect(mask)
        if min(width, height) < _LEAST_CLONE_PX:
            return picture
        # OpenCV solves within the mask's bounding box, which it places by its center.
        middle = (left + width // 2, top + height // 2)
        # seamlessClone modifies the mask
        cloned = cv2.seamlessClone(frame.image, self._backdrop.picture(frame), mask.copy(), middle, cv2.NORMAL_CLONE)
        return mix(picture, np.asarray(cloned, np.uint8), mask)


class HarmonizeSettings(Settings):
    """The network that harmonizes."""

    model_path: str = start_only(
        "",
        "File of your own network; '': the shipped one. Input: 1×h×w×4 float32, RGB and mask from 0 to 1. Output: "
        "1×n×n×n×3, a table of colors, or 1×h×w×3, the picture, from 0 to 1. Or a .caffemodel.",
    )
    engine: str = start_only("auto", "Engine plugin that runs it; auto: the fastest installed one that reads the file.")
    size_px: int = start_only(
        0, "Height and width of the network's input; 0: what the file states, or 256.", ge=0, le=2048
    )
    smoothing: float = live(
        0.8, "Share of the change of color that a video's frame keeps from the frame before.", ge=0.0, le=0.98
    )
    feather_px: int = live(2, "Half width of the soft edge around people.", ge=0, le=50)


class Harmonize(Effect):
    """Match the colors of people to their background by a network; use after virtual_background."""

    api_version = 1
    Settings = HarmonizeSettings
    needs = Wanted.PERSON
    settings: HarmonizeSettings

    def __init__(self, settings: HarmonizeSettings) -> None:
        super().__init__(settings)
        path = Path(settings.model_path) if settings.model_path else _shipped()
        try:
            self._network = open_network(path, settings.engine, settings.size_px)
        except (ModelError, PluginError) as err:
            raise SettingsError(
                f"Parameter harmonize.model_path is {settings.model_path!r}, but it must be a model file. {err}"
            ) from err

    def compose(self, frame: Frame, result: Result) -> Picture:
        """Return (H, W, 3) uint8 RGB; the unchanged frame if it has no people or no background.

        Raises EngineError if the network's output is not of its form.
        """
        person = require(result.person, "a person mask").view(np.uint8)
        weight = soft_edge(result, self.settings.feather_px)
        if not person.any() or person.all() or not weight.any():
            return frame.image.copy()
        left, top, width, height = cv2.boundingRect(weight)
        changed = self._network.recolor(frame, person, self.settings.smoothing, (left, top, width, height))
        return mix(frame.image, changed, weight)


def _shipped() -> Path:
    """File of the shipped network. Raises SettingsError if it is missing."""
    located = locate(load_card(SHIPPED_NETWORK), 1, 4)
    if located is None:
        raise SettingsError(
            f"Parameter harmonize.model_path is '', but the shipped network {SHIPPED_NETWORK!r} is missing: "
            "install the package again, or name a file of your own."
        )
    return located.index
