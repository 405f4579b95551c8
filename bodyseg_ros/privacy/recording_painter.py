"""Cover a recording's frame: gray, or with effects that hide people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ..effects import Effect, compose_all, load_effects
from ..errors import FrameError, SettingsError
from ..settings import Settings
from ..types import Frame, Result, Wanted
from .mask_store import Cells, to_pixels
from .person_hider import paint_over

__all__ = ["Coverer", "load_coverer"]


class Coverer:
    """Covers the frames of one camera.

    effects: none for gray; some keep state between frames.
    """

    def __init__(self, effects: Sequence[Effect] = ()) -> None:
        self._effects = effects

    def cover(self, frame: Frame, cells: Cells) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return (the image (H, W, 3) uint8 RGB, the covered mask (H, W) uint8).

        Raises FrameError if the cells do not fit the image, or the effects change the image's size.
        """
        people = to_pixels(cells, frame.size)
        if people.shape != frame.size:
            raise FrameError(f"What is to be covered is {people.shape}, but the picture is {frame.size}.")
        if not self._effects:
            return paint_over(frame.image, people), people
        image = compose_all(self._effects, frame, Result(frame.size, person=people))[..., :3]
        if image.shape != frame.image.shape or image.dtype != np.uint8:
            raise FrameError(f"The effects returned {image.dtype} {image.shape} for an image of {frame.size}.")
        return np.ascontiguousarray(image), people


def load_coverer(names: Sequence[str], settings: Mapping[str, Settings]) -> Coverer:
    """Make a painter from effect names and settings; 'cover', alone, is gray.

    Raises SettingsError for an effect that does not hide people, or needs more than a mask.
    """
    if tuple(names) in ((), ("cover",)):
        return Coverer()
    effects = load_effects("--effect", names, settings)
    for name, effect in zip(names, effects, strict=True):
        if effect is effects[0] and not effect.hides_people:
            raise SettingsError(
                f"--effect is {name!r}, which does not hide people; take cover, anonymize, pixelate or remove_people."
            )
        if effect.needs & ~Wanted.PERSON:
            raise SettingsError(
                f"--effect is {name!r}, as it is set, which needs more than a mask of people: in frames in which the "
                "network sees nobody, what is covered comes from the frames around. Let it hide whole people."
            )
    return Coverer(effects)
