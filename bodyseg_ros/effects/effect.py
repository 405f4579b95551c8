"""Base class of effects."""

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
    """Makes an image from a frame and its result. A plugin implements compose(). Created as `EffectClass(settings)`.

    An effect with state (a learned background) is reused while its settings stay the same.
    """

    supported_versions = frozenset({1})
    Settings: ClassVar[type[settings.Settings]] = settings.Settings
    #: Fields of the result that it reads.
    needs: Wanted = Wanted.PERSON
    #: Whether the effect hides people, so copying raw images beside it needs permission.
    hides_people: bool = False

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    @abstractmethod
    def compose(self, frame: Frame, result: Result) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB, or (H, W, 4) RGBA from an effect that cuts out; the frame is left as it is."""

    def move(self, result: Result) -> Result:
        """Return the result moved to compose()'s last image, for effects that move pixels."""
        return result


def compose_all(effects: Sequence[Effect], frame: Frame, result: Result) -> NDArray[np.uint8]:
    """Run effects in order, each on the previous one's image.

    If the result is mirrored, so is the image. Transparency becomes the soft edge for the next effect. Raises
    FrameError if the sizes of result and frame differ, or the result lacks a field that an effect needs.
    """
    if result.mirrored:
        frame = replace(frame, image=mirror_array(frame.image))
    image = frame.image
    for effect in effects:
        if result.size != frame.size:
            raise FrameError(f"The frame is {frame.size}, but the result is {result.size}: (height, width) px.")
        image = effect.compose(frame, result)
        result = effect.move(result)
        opaque = image
        if image.shape[2] == 4:
            result = replace(result, alpha=np.ascontiguousarray(image[..., 3]))
            opaque = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGBA2RGB), np.uint8)
        frame = replace(frame, image=opaque)
    return image
