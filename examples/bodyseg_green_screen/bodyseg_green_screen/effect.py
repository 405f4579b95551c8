"""People in color, everything else in gray."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from bodyseg_ros.effects import Effect
from bodyseg_ros.settings import Settings, live
from bodyseg_ros.types import Frame, Result, Wanted

__all__ = ["ColorSplash", "ColorSplashSettings"]


class ColorSplashSettings(Settings):
    """An effect's parameters stand under its name: users write `color_splash.strength: 0.8`."""

    strength: float = live(1.0, "How gray the background is; 0 leaves it as it is.", ge=0.0, le=1.0)


class ColorSplash(Effect):
    """People in color, everything else in gray."""

    api_version = 1
    Settings = ColorSplashSettings
    needs = Wanted.PERSON

    def compose(self, frame: Frame, result: Result) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB; the frame is left as it is."""
        assert result.person is not None  # `needs` says so
        gray = cv2.cvtColor(cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        dull = cv2.addWeighted(gray, self.settings.strength, frame.image, 1 - self.settings.strength, 0)
        return np.where(result.person[..., None] == 1, frame.image, np.asarray(dull, np.uint8))
