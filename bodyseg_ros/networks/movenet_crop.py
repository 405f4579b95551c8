"""MoveNet's crop region: the square around the person of the previous frame, and the sampling of pixels.

Source: tfjs-models ``pose-detection/src/movenet/crop_utils.ts`` and ``detector.ts`` (pose-detection 2.1.3).
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..body import KEYPOINT_NAMES
from ..frame_sequence import FrameSequence
from ..types import Frame

__all__ = ["LEAST_KEYPOINT_SCORE", "CropMemory", "Region", "crop_positions", "sample_bilinear", "whole_region"]

#: Keypoints above this score count for the crop and for a pose's score.
LEAST_KEYPOINT_SCORE: Final = 0.2
#: Half the crop's side, in distances of the farthest torso and body keypoint from the hips.
_TORSO_REACH, _BODY_REACH = 1.9, 1.2
#: Weight of the new region against the previous one.
_NEW_SHARE: Final = 0.9
#: Maximum time between two frames of one video, s.
_MAX_GAP_S: Final = 1.0
_LEFT_SHOULDER, _RIGHT_SHOULDER, _LEFT_HIP, _RIGHT_HIP = (
    KEYPOINT_NAMES.index(name) for name in ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
)
_TORSO: Final = [_LEFT_SHOULDER, _RIGHT_SHOULDER, _LEFT_HIP, _RIGHT_HIP]


class Region(NamedTuple):
    """A region of the image as shares of its height and width; it may reach beyond the image."""

    top: float
    left: float
    bottom: float
    right: float


def middle_region(height: int, width: int) -> Region:
    """The largest square in the middle of an image of this size, px."""
    return _centered(height, width, min(height, width) / 2)


def whole_region(height: int, width: int) -> Region:
    """The smallest square that holds an image of this size, px."""
    return _centered(height, width, max(height, width) / 2)


def _centered(height: int, width: int, half: float) -> Region:
    down, across = half / height, half / width
    return Region(0.5 - down, 0.5 - across, 0.5 + down, 0.5 + across)


def next_region(keypoints: NDArray[np.float64], scores: NDArray[np.float32], height: int, width: int) -> Region:
    """The square around a person: (17, 2) px and (17,), in an image of this size, px.

    The whole image, padded, unless a shoulder and a hip are seen.
    """
    seen = scores > LEAST_KEYPOINT_SCORE
    hips, shoulders = seen[[_LEFT_HIP, _RIGHT_HIP]].any(), seen[[_LEFT_SHOULDER, _RIGHT_SHOULDER]].any()
    if not (hips and shoulders):
        return whole_region(height, width)
    x, y = ((keypoints[_LEFT_HIP] + keypoints[_RIGHT_HIP]) / 2).tolist()
    away = np.abs(keypoints - (x, y))
    torso, body = float(away[_TORSO].max()), float(away[scores >= LEAST_KEYPOINT_SCORE].max())
    half = min(max(_TORSO_REACH * torso, _BODY_REACH * body), max(x, width - x, y, height - y))
    if half > max(height, width) / 2:
        return whole_region(height, width)
    return Region((y - half) / height, (x - half) / width, (y + half) / height, (x + half) / width)


class CropMemory:
    """The region for the next frame; kept across setting changes. Not thread-safe."""

    def __init__(self) -> None:
        self._region: Region | None = None
        self._smooth: Region | None = None
        self._frames = FrameSequence()

    def recall(self, frame: Frame) -> Region:
        """The region for this frame: the middle square of the image if no previous frame showed a person."""
        if not self._frames.follows(frame, max_gap_s=_MAX_GAP_S):
            self.forget()
        if self._region is None:
            self._region = middle_region(*frame.size)
        return self._region

    def forget(self) -> None:
        """Start anew, as nobody was found."""
        self._region = self._smooth = None

    def remember(self, keypoints: NDArray[np.float64], scores: NDArray[np.float32], size: tuple[int, int]) -> None:
        """Move the region to a person found: (17, 2) px and (17,), in an image of size (H, W)."""
        new, old = next_region(keypoints, scores, *size), self._smooth
        if old is not None:
            new = Region(*(before + _NEW_SHARE * (now - before) for before, now in zip(old, new, strict=True)))
        self._region = self._smooth = new


def crop_positions(start: float, stop: float, length: int, out: int) -> NDArray[np.float64]:
    """Source px of `out` samples along an axis of `length` px, as TensorFlow's crop_and_resize places them.

    start, stop: of the region, as shares; in float32, as there.
    """
    first, last = float(np.float32(start)), float(np.float32(stop))
    step = (last - first) * (length - 1) / (out - 1)
    return first * (length - 1) + np.arange(out, dtype=np.float64) * step


def sample_bilinear(
    image: NDArray[np.uint8], rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Sample an image (H, W, 3) at a grid of source px: (len(rows), len(columns), 3), 0 outside the image.

    Interpolates as tfjs does, a + (b - a)·t in float64, so that plain areas keep their exact value.
    """
    height, width = image.shape[:2]
    inside_rows, inside_columns = (rows >= 0) & (rows <= height - 1), (columns >= 0) & (columns <= width - 1)
    y, x = rows[inside_rows], columns[inside_columns]
    top, left = np.floor(y).astype(int), np.floor(x).astype(int)
    down, across = (y - top)[:, None, None], (x - left)[None, :, None]
    bottom, right = np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)
    upper, lower = (
        _mix(line[:, left].astype(np.float64), line[:, right].astype(np.float64), across)
        for line in (image[top], image[bottom])
    )
    sampled = np.zeros((len(rows), len(columns), 3))
    sampled[np.ix_(inside_rows, inside_columns)] = _mix(upper, lower, down)
    return sampled


def _mix(one: NDArray[np.float64], other: NDArray[np.float64], share: NDArray[np.float64]) -> NDArray[np.float64]:
    return one + (other - one) * share
