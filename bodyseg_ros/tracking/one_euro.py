"""Calm keypoints without delay: the One Euro filter.

Source: G. Casiez, N. Roussel, D. Vogel, "1€ Filter: A Simple Speed-based Low-pass Filter for Noisy Input in
Interactive Systems", CHI 2012, algorithms 1 and 2. The speed is that of the point, not of each coordinate, and is
measured in the person's size.
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
    """Smooths the keypoints of people by their ids, each keypoint by itself; forgets whoever is not there."""

    def __init__(self) -> None:
        # Of the last frame: id → row; positions (n + 1, 17, 2) px and speeds px/s as smoothed; known: (n + 1, 17),
        # which are. The last row is everybody's who was not there.
        self._rows: dict[int, int] = {}
        self._points = self._speeds = np.zeros((1, len(KEYPOINT_NAMES), 2), np.float32)
        self._known = np.zeros((1, len(KEYPOINT_NAMES)), np.bool_)

    def smooth(
        self, ids: Sequence[int], keypoints: Array, scores: Array, step_s: float, settings: SmoothingSettings
    ) -> Array:
        """The keypoints (N, 17, 2) px of the people with these ids, smoothed; scores: (N, 17).

        step_s: seconds since the last call. Those below `min_score`, and those not finite, stay as they are.
        """
        seen = (scores >= np.float32(settings.min_score)) & np.isfinite(keypoints).all(axis=-1)
        rows = [self._rows.get(number, -1) for number in ids]
        before, speeds, both = self._points[rows], self._speeds[rows], seen & self._known[rows]
        moved = np.where(both[..., None], keypoints - before, np.float32(0))
        weight = _weight(np.float32(settings.speed_cutoff), step_s)
        speeds = np.where(both[..., None], speeds + weight * (moved / np.float32(step_s) - speeds), np.float32(0))
        speed = np.hypot(speeds[..., 0], speeds[..., 1]) / _sizes(keypoints, seen)
        cutoff = np.asarray(settings.min_cutoff + settings.beta * speed, np.float32)
        smooth = np.where(both[..., None], before + _weight(cutoff, step_s)[..., None] * moved, keypoints)
        self._rows = {number: row for row, number in enumerate(ids)}
        self._points = np.concatenate([smooth, self._points[-1:]])
        self._speeds = np.concatenate([speeds, self._speeds[-1:]])
        self._known = np.concatenate([seen, self._known[-1:]])
        return smooth


def _sizes(keypoints: Array, seen: NDArray[np.bool_]) -> Array:
    """Long side of each person's seen keypoints, (N, 1) px, at least 1."""
    least = np.where(seen[..., None], keypoints, np.inf).min(axis=1)
    most = np.where(seen[..., None], keypoints, -np.inf).max(axis=1)
    return np.asarray(np.maximum((most - least).max(axis=1, keepdims=True), 1), np.float32)


def _weight(cutoff_hz: Array | np.float32, step_s: float) -> Array:
    """How much of the newest value a low-pass filter takes: 1 / (1 + τ / step), τ = 1 / (2 π cutoff)."""
    return np.asarray(1 / (1 + 1 / (np.float32(2 * math.pi * step_s) * cutoff_hz)), np.float32)
