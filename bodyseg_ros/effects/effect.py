"""The seam between what was seen and a picture of it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from .. import settings
from ..errors import FrameError
from ..mirror import mirror_array
from ..plugins import Plugin
from ..types import Frame, Result, Wanted

__all__ = ["Effect", "compose_all"]


class Effect(Plugin):
    """Makes a picture from a frame and its result. A plugin writes compose(). Built as `EffectClass(settings)`.

    An effect that remembers (a learnt background) lives on as long as its settings stay the same.
    """

    supported_versions = frozenset({1})
    Settings: ClassVar[type[settings.Settings]] = settings.Settings
    #: What it reads of a result.
    needs: Wanted = Wanted.PERSON
    #: Whether it is there to hide people or parts of them, so that whoever copies raw pictures beside it must ask.
    hides_people: bool = False

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    @abstractmethod
    def compose(self, frame: Frame, result: Result) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB, or (H, W, 4) RGBA from an effect that cuts out; the frame is left as it is."""

    def move(self, result: Result) -> Result:
        """The result as it lies on the picture that compose() made last, from an effect that moves pixels."""
        return result


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
        result = effect.move(result)
        opaque = image
        if image.shape[2] == 4:
            result = replace(result, alpha=np.ascontiguousarray(image[..., 3]))
            opaque = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGBA2RGB), np.uint8)
        frame = replace(frame, image=opaque)
    return image
