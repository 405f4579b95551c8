"""Images in which nobody can be seen: people painted over, or a blank image with the reason."""

from __future__ import annotations

import textwrap
from collections import deque
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import FrameError
from ..types import Frame, Result
from .live_filling import LiveFilling
from .mask_store import margin_cells, to_pixels
from .privacy_settings import LiveHidingSettings
from .seeing import detections

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
    """Paints over people in the frames of one camera, each of them `delay_frames` after it came."""

    def __init__(self, settings: LiveHidingSettings) -> None:
        self._settings = settings
        self._kept: deque[tuple[Frame, Result]] = deque(maxlen=settings.delay_frames + 1)
        self._filling: LiveFilling | None = None

    @property
    def missing(self) -> int:
        """Number of frames until hide() knows all that count; before that a person may have been missed."""
        return self._filling.missing if self._filling else self._settings.hold_frames + self._settings.delay_frames + 1

    def forget(self) -> None:
        """Start anew: earlier detections do not belong to the coming frames."""
        self._kept.clear()
        self._filling = None

    def look(self, frame: Frame, result: Result, time_ns: int) -> None:
        """Add the newest frame. time_ns: when it came, by a clock that does not go back.

        Raises FrameError if the result has no person mask and probabilities of the frame's size, or the size of the
        frames changes.
        """
        strong, weak = detections(frame, result, self._settings.segmentation_threshold)
        if self._kept and self._kept[-1][0].size != frame.size:
            raise FrameError(f"The size of the images changed from {self._kept[-1][0].size} to {frame.size}.")
        if self._filling is None:
            own = self._settings
            margin = margin_cells(own.margin_px, frame.size)
            self._filling = LiveFilling(own.hold_frames, own.delay_frames, own.max_gap, margin)
        self._filling.add(time_ns, strong, weak)
        self._kept.append((frame, result))

    def hide(self) -> tuple[Frame, Result] | None:
        """Return the frame that came `delay_frames` before the newest, without people, and its result with the covered
        mask; None if there is none yet.
        """
        if self._filling is None or len(self._kept) <= self._settings.delay_frames:
            return None
        frame, result = self._kept[0]
        people = to_pixels(self._filling.cover(), frame.size)
        hidden = replace(frame, image=paint_over(frame.image, people))
        return hidden, replace(result, size=frame.size, person=people)
