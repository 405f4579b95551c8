"""The One Euro filter: smooth keypoints without a frame of delay.

Source: G. Casiez, N. Roussel, D. Vogel, "1€ Filter: A Simple Speed-based Low-pass Filter for Noisy Input in Interactive
Systems", CHI 2012, algorithms 1 and 2. The speed is that of the point, not of each coordinate, in units of the person's
size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..body import KEYPOINT_NAMES
from .tracking_settings import SmoothingSettings

__all__ = ["KeypointSmoother"]

Array = NDArray[np.float32]


class KeypointSmoother:
    """Smooths each keypoint of each person by id; forgets people who are missing in a frame.

    axes: 2 in the image, 3 in space. min_size: smallest size of a person that speeds are divided by, px or m.
    """

    def __init__(self, axes: int = 2, min_size: float = 1.0) -> None:
        self._min_size = min_size
        # State of the last frame: id → row; smoothed positions (n + 1, 17, axes) and speeds, px/s or m/s; known:
        # (n + 1, 17). The last row stands for new people.
        self._rows: dict[int, int] = {}
        self._points = self._speeds = np.zeros((1, len(KEYPOINT_NAMES), axes), np.float32)
        self._known = np.zeros((1, len(KEYPOINT_NAMES)), np.bool_)

    def smooth(
        self, ids: Sequence[int], keypoints: Array, scores: Array, step_s: float, settings: SmoothingSettings
    ) -> Array:
        """Smooth the keypoints (N, 17, axes), px or m, of the people with these ids.

        scores: (N, 17). step_s: seconds since the last call. Keypoints below `min_score` and non-finite ones are
        returned unchanged.
        """
        seen = (scores >= np.float32(settings.min_score)) & np.isfinite(keypoints).all(axis=-1)
        rows = [self._rows.get(number, -1) for number in ids]
        before, speeds, both = self._points[rows], self._speeds[rows], seen & self._known[rows]
        moved = np.where(both[..., None], keypoints - before, np.float32(0))
        weight = _weight(np.float32(settings.speed_cutoff), step_s)
        speeds = np.where(both[..., None], speeds + weight * (moved / np.float32(step_s) - speeds), np.float32(0))
        speed = np.sqrt((speeds**2).sum(axis=-1)) / _sizes(keypoints, seen, self._min_size)
        cutoff = np.asarray(settings.min_cutoff + settings.beta * speed, np.float32)
        smooth = np.where(both[..., None], before + _weight(cutoff, step_s)[..., None] * moved, keypoints)
        self._rows = {number: row for row, number in enumerate(ids)}
        self._points = np.concatenate([smooth, self._points[-1:]])
        self._speeds = np.concatenate([speeds, self._speeds[-1:]])
        self._known = np.concatenate([seen, self._known[-1:]])
        return smooth


def _sizes(keypoints: Array, seen: NDArray[np.bool_], least_size: float) -> Array:
    """Long side of each person's visible keypoints, (N, 1), at least `least_size`."""
    least = np.where(seen[..., None], keypoints, np.inf).min(axis=1)
    most = np.where(seen[..., None], keypoints, -np.inf).max(axis=1)
    return np.asarray(np.maximum((most - least).max(axis=1, keepdims=True), least_size), np.float32)


def _weight(cutoff_hz: Array | np.float32, step_s: float) -> Array:
    """Weight of the newest value in a low-pass filter: 1 / (1 + τ / step), τ = 1 / (2 π cutoff)."""
    return np.asarray(1 / (1 + 1 / (np.float32(2 * math.pi * step_s) * cutoff_hz)), np.float32)
