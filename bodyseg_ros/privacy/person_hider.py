"""Images in which nobody can be seen: people painted over, or a blank image with the reason."""

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

#: Gray values: over people; of a blank image; of the reason on it.
_COVER, _GROUND, _TEXT = 96, 32, 255
_FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
_CHARACTER_PX: Final = 19  # of the font at scale 1
_COLUMNS: Final = 48


@dataclass(frozen=True)
class Safe:
    """An image that may be shown: (H, W, 3) uint8 RGB. A privacy camera's publishers accept nothing else."""

    image: NDArray[np.uint8]


def blank(size: tuple[int, int], reason: str) -> Safe:
    """Make a dark image of (height, width) with the reason why there is no other."""
    height, width = size
    image = np.full((height, width, 3), _GROUND, np.uint8)
    scale = width / (_CHARACTER_PX * _COLUMNS)
    # OpenCV's font is ASCII only.
    lines = textwrap.wrap(reason.replace("×", "x").replace("’", "'").encode("ascii", "replace").decode(), _COLUMNS)
    for number, line in enumerate(lines, start=1):
        at = (round(_CHARACTER_PX * scale), round(2 * number * _CHARACTER_PX * scale * 1.2))
        cv2.putText(image, line, at, _FONT, scale, (_TEXT,) * 3, max(1, round(2 * scale)), cv2.LINE_AA)
    return Safe(image)


def paint_over(image: NDArray[np.uint8], people: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return an image (H, W, 3) uint8 that is gray where `people` (H, W) uint8 is not 0."""
    return np.asarray(cv2.copyTo(np.full_like(image, _COVER), people, image.copy()), np.uint8)


class Hider:
    """Paints over people at every place where one of the last frames showed them.

    margin_px: margin around them. hold_frames: number of frames that a place stays covered after the last detection.
    """

    def __init__(self, margin_px: int, hold_frames: int) -> None:
        self._margin_px = margin_px
        self._masks: deque[NDArray[np.uint8]] = deque(maxlen=hold_frames + 1)

    @property
    def missing(self) -> int:
        """Number of frames until hide() has seen as many as it holds; before that a person may have been missed."""
        return (self._masks.maxlen or 0) - len(self._masks)

    def forget(self) -> None:
        """Start anew: earlier detections do not belong to the coming frames."""
        self._masks.clear()

    def hide(self, frame: Frame, result: Result) -> tuple[Frame, Result]:
        """Return the frame without people, and the result with the covered mask.

        Raises FrameError if the result has no person mask of the frame's size.
        """
        if result.person is None or result.person.shape != frame.size:
            have = None if result.person is None else result.person.shape
            raise FrameError(f"The person mask is {have}, but the image is {frame.size}; nothing can be hidden.")
        if self._masks and self._masks[0].shape != frame.size:
            self.forget()
        self._masks.append(shift_edge((result.person != 0).view(np.uint8), self._margin_px))
        # An area enclosed by people is more likely a missed person than a gap between them.
        people = fill_holes(reduce(np.bitwise_or, self._masks), frame.image.size)
        hidden = replace(frame, image=paint_over(frame.image, people))
        return hidden, replace(result, size=frame.size, person=people)
