"""Pictures in which nobody can be seen: people painted over, or nothing at all but the reason why."""

from __future__ import annotations

import textwrap
from collections import deque
from dataclasses import dataclass, replace
from functools import reduce
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import FrameError
from ..refine import fill_holes, shift_edge
from ..types import Frame, Result

__all__ = ["Hider", "Safe", "blank", "paint_over"]

#: Grey values: over people; of a blank picture; of the reason on it.
_COVER, _GROUND, _TEXT = 96, 32, 255
_FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
_CHARACTER_PX: Final = 19  # of the font at scale 1
_COLUMNS: Final = 48


@dataclass(frozen=True)
class Safe:
    """A picture that may be shown: (H, W, 3) uint8 RGB. Publishers of a privacy camera take nothing else."""

    image: NDArray[np.uint8]


def blank(size: tuple[int, int], reason: str) -> Safe:
    """A dark picture of (height, width) that says why there is no other one."""
    height, width = size
    image = np.full((height, width, 3), _GROUND, np.uint8)
    scale = width / (_CHARACTER_PX * _COLUMNS)
    # OpenCV's font has ASCII alone.
    lines = textwrap.wrap(reason.replace("×", "x").replace("’", "'").encode("ascii", "replace").decode(), _COLUMNS)
    for number, line in enumerate(lines, start=1):
        at = (round(_CHARACTER_PX * scale), round(2 * number * _CHARACTER_PX * scale * 1.2))
        cv2.putText(image, line, at, _FONT, scale, (_TEXT,) * 3, max(1, round(2 * scale)), cv2.LINE_AA)
    return Safe(image)


def paint_over(image: NDArray[np.uint8], people: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture (H, W, 3) uint8 in one grey wherever `people` (H, W) uint8 is not 0."""
    return np.asarray(cv2.copyTo(np.full_like(image, _COVER), people, image.copy()), np.uint8)


class Hider:
    """Paints over people, wherever one of the last frames saw them.

    margin_px: how far around them. hold_frames: how many frames a place stays covered after it was last seen a person.
    """

    def __init__(self, margin_px: int, hold_frames: int) -> None:
        self._margin_px = margin_px
        self._masks: deque[NDArray[np.uint8]] = deque(maxlen=hold_frames + 1)

    @property
    def missing(self) -> int:
        """Frames to come until hide() knows as many as it holds; before that a person may have been missed."""
        return (self._masks.maxlen or 0) - len(self._masks)

    def forget(self) -> None:
        """Begin anew: what was seen is not of the frames to come."""
        self._masks.clear()

    def hide(self, frame: Frame, result: Result) -> tuple[Frame, Result]:
        """The frame without people, and the result with the mask that was covered.

        Raises FrameError where the result has no person mask of the frame's size.
        """
        if result.person is None or result.person.shape != frame.size:
            have = None if result.person is None else result.person.shape
            raise FrameError(f"The person mask is {have}, but the picture is {frame.size}; nothing can be hidden.")
        if self._masks and self._masks[0].shape != frame.size:
            self.forget()
        self._masks.append(shift_edge((result.person != 0).view(np.uint8), self._margin_px))
        # What people surround is more likely one of them that was missed than a view between them.
        people = fill_holes(reduce(np.bitwise_or, self._masks), frame.image.size)
        hidden = replace(frame, image=paint_over(frame.image, people))
        return hidden, replace(result, size=frame.size, person=people)
