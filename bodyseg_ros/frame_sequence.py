"""Whether a frame continues the previous one, for everything that keeps state between frames."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from .types import Frame

__all__ = ["FrameSequence"]

#: Side of the small gray images used to compare frames, px; averages out noise and small motion.
_GLIMPSE_PX: Final = 16


class FrameSequence:
    """Remembers what is needed to compare the next frame of a camera with the last. Not thread-safe."""

    def __init__(self) -> None:
        self._camera: tuple[str, tuple[int, int]] | None = None
        self._stamp_ns = self._index = 0
        self._glimpse = np.zeros((_GLIMPSE_PX, _GLIMPSE_PX), np.float32)

    def follows(self, frame: Frame, *, max_gap_s: float | None = None, cut: float | None = None) -> bool:
        """Whether `frame` follows the last frame; remembers `frame`.

        It does if it has the same `frame_id` and size and is not earlier. With max_gap_s it must also be later, by at
        most that many seconds, or without a new stamp have the next `index`, as in a list of images. With cut, the mean
        brightness change, 0 to 1, must be less.
        """
        camera, gap_s = (frame.frame_id, frame.size), (frame.stamp_ns - self._stamp_ns) / 1e9
        same_camera, is_next = camera == self._camera, gap_s == 0 and frame.index == self._index + 1
        self._camera, self._stamp_ns, self._index = camera, frame.stamp_ns, frame.index
        in_time = gap_s >= 0 if max_gap_s is None else 0 < gap_s <= max_gap_s or is_next
        same_scene = cut is None or self._change(frame) < cut
        return same_camera and in_time and same_scene

    def _change(self, frame: Frame) -> float:
        """Mean brightness change since the last call, 0 to 1."""
        small = cv2.resize(frame.image, (_GLIMPSE_PX, _GLIMPSE_PX), interpolation=cv2.INTER_AREA)
        glimpse = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.float32) * np.float32(1 / 255)
        change = float(np.abs(glimpse - self._glimpse).mean())
        self._glimpse = glimpse
        return change
