"""The seam between what was seen and a picture of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar, Protocol, runtime_checkable

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import FrameError
from ..mirror import mirror_array
from ..settings import Settings
from ..types import Frame, Result, Wanted

__all__ = ["Effect", "Moving", "compose_all"]


class Effect(Protocol):
    """Makes a picture from a frame and its result. Built as `EffectClass(settings)`.

    An effect that remembers (a learnt background) keeps its `settings` as an attribute: it lives on as long as
    those stay the same.
    """

    Settings: ClassVar[type[Settings]]
    #: Whether it is there to hide people or parts of them, so that whoever copies raw pictures beside it must ask.
    hides_people: ClassVar[bool] = False

    def __init__(self, settings: Any) -> None: ...

    @property
    def needs(self) -> Wanted:
        """What it reads of a result."""
        ...

    def compose(self, frame: Frame, result: Result) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB, or (H, W, 4) RGBA from an effect that cuts out; the frame is left as it is."""
        ...


@runtime_checkable
class Moving(Protocol):
    """An effect that moves pixels, so that the result must follow for the effects after it."""

    def moved(self, result: Result) -> Result:
        """The result as it lies on the picture that compose() made last."""
        ...


def compose_all(effects: Sequence[Effect], frame: Frame, result: Result) -> NDArray[np.uint8]:
    """Run effects one after the other, each on the picture the one before made.

    Where the result is mirrored, the picture is too. The transparency of a picture becomes the soft edge that the next
    effect uses. Raises FrameError where the result is of another size than the frame, or lacks what an effect needs.
    """
    if result.mirrored:
        frame = replace(frame, image=mirror_array(frame.image))
    image = frame.image
    for effect in effects:
        if result.size != frame.size:
            raise FrameError(f"The frame is {frame.size}, but what was seen is {result.size}: (height, width) px.")
        image = effect.compose(frame, result)
        if isinstance(effect, Moving):
            result = effect.moved(result)
        opaque = image
        if image.shape[2] == 4:
            result = replace(result, alpha=np.ascontiguousarray(image[..., 3]))
            opaque = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGBA2RGB), np.uint8)
        frame = replace(frame, image=opaque)
    return image
