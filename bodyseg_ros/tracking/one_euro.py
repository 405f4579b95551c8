"""Calm keypoints without delay: the One Euro filter.

Source: G. Casiez, N. Roussel, D. Vogel, "1€ Filter: A Simple Speed-based Low-pass Filter for Noisy Input in
Interactive Systems", CHI 2012, algorithms 1 and 2. The speed is that of the point, not of each coordinate, and is
measured in the person's size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .tracking_settings import SmoothingSettings

__all__ = ["KeypointSmoother"]

Array = NDArray[np.float32]


@dataclass
class _Person:
    """Of one person: positions (17, 2) px and speeds (17, 2) px/s as smoothed last; known: (17,), which are."""

    points: Array
    speeds: Array
    known: NDArray[np.bool_]


class KeypointSmoother:
    """Smooths the keypoints of people by their ids, each keypoint by itself; forgets whoever is not there."""

    def __init__(self) -> None:
        self._people: dict[int, _Person] = {}

    def smooth(
        self, ids: Sequence[int], keypoints: Array, scores: Array, step_s: float, settings: SmoothingSettings
    ) -> Array:
        """The keypoints (N, 17, 2) px of the people with these ids, smoothed; scores: (N, 17).

        step_s: seconds since the last call. Those below `min_score`, and those not finite, stay as they are.
        """
        seen = (scores >= np.float32(settings.min_score)) & np.isfinite(keypoints).all(axis=-1)
        smooth = keypoints.copy()
        people = {}
        for place, number in enumerate(ids):
            before = self._people.get(number)
            speeds = np.zeros_like(keypoints[place])
            if before is not None:
                both = seen[place] & before.known
                _filter(smooth[place], speeds, both, before, step_s, settings)
            people[number] = _Person(smooth[place], speeds, seen[place])
        self._people = people
        return smooth


def _filter(
    points: Array,
    speeds: Array,
    which: NDArray[np.bool_],
    before: _Person,
    step_s: float,
    settings: SmoothingSettings,
) -> None:
    """Smooth those of one person's points (17, 2) that `which` names, in place; set their speeds."""
    if not which.any():
        return
    there = points[which]
    size = max(float(np.ptp(there, axis=0).max()), 1.0)
    moved, last = there - before.points[which], before.speeds[which]
    speed = last + _weight(np.float32(settings.speed_cutoff), step_s) * (moved / np.float32(step_s) - last)
    cutoff = np.float32(settings.min_cutoff) + np.float32(settings.beta / size) * np.hypot(speed[:, :1], speed[:, 1:])
    points[which] = before.points[which] + _weight(cutoff, step_s) * moved
    speeds[which] = speed


def _weight(cutoff_hz: Array | np.float32, step_s: float) -> Array:
    """How much of the newest value a low-pass filter takes: 1 / (1 + τ / step), τ = 1 / (2 π cutoff)."""
    return np.asarray(1 / (1 + 1 / (np.float32(2 * math.pi * step_s) * cutoff_hz)), np.float32)
