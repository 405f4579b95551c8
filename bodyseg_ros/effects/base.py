"""The seam between what was seen and a picture of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from ..settings import Settings
from ..types import Frame, Result, Wanted

__all__ = ["Effect", "compose_all"]


class Effect(Protocol):
    """Makes a picture from a frame and its result. Built as `EffectClass(settings)`."""

    Settings: ClassVar[type[Settings]]
    #: What it reads of a result.
    needs: ClassVar[Wanted]

    def __init__(self, settings: Any) -> None: ...

    def compose(self, frame: Frame, result: Result) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB, or (H, W, 4) RGBA from an effect that cuts out; the frame is left as it is."""
        ...


def compose_all(effects: Sequence[Effect], frame: Frame, result: Result) -> NDArray[np.uint8]:
    """Run effects one after the other, each on the picture the one before made."""
    image = frame.image
    for effect in effects:
        image = effect.compose(replace(frame, image=image[..., :3]), result)
    return image
