"""What the green-screen network's tensors mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bodyseg_ros.errors import EngineError
from bodyseg_ros.geometry import Geometry
from bodyseg_ros.networks import Network
from bodyseg_ros.settings import Settings, live
from bodyseg_ros.types import Frame, Prepared, Result, Wanted

__all__ = ["GreenScreen", "GreenScreenSettings"]


class GreenScreenSettings(Settings):
    """A network's parameters stand at the root: users write `green_threshold: 0.6`."""

    green_threshold: float = live(0.5, "Share of green above which a pixel is screen.", ge=0.0, le=1.0)


class GreenScreen(Network):
    """People before a green screen. Its network takes pictures of any size and gives `green` (1, 1, H, W), 0 to 1."""

    api_version = 1
    Settings = GreenScreenSettings

    @property
    def offers(self) -> Wanted:
        """A mask and how sure it is; no poses, no parts. The node leaves topics out that need more."""
        return Wanted.PERSON | Wanted.CONFIDENCE

    def prepare(self, frame: Frame) -> Prepared:
        """The whole picture, RGB, 0 to 1, channels first: tensor (1, 3, H, W)."""
        tensor = np.moveaxis(frame.image.astype(np.float32) / 255, 2, 0)[None]
        return Prepared(tensor, Geometry(*frame.size, *frame.size))

    def decode(self, outputs: Mapping[str, NDArray[Any]], prepared: Prepared, wanted: Wanted) -> Result:
        """Only what is wanted is made. Raises EngineError where the file is another network's."""
        size = (prepared.geometry.height, prepared.geometry.width)
        green = next(iter(outputs.values()))
        if len(outputs) != 1 or green.shape != (1, 1, *size):
            shapes = ", ".join(f"{name} {array.shape}" for name, array in outputs.items())
            raise EngineError(f"A green-screen network gives one output {(1, 1, *size)}, but this one gives {shapes}.")
        person = (green[0, 0] <= self.settings.green_threshold).view(np.uint8)
        return Result(
            size,
            person=person if wanted & Wanted.PERSON else None,
            confidence=1 - green[0, 0] if wanted & Wanted.CONFIDENCE else None,
        )
