"""Tracking parameters that do not depend on the tracker."""

from __future__ import annotations

from ..settings import Settings, live

__all__ = ["SmoothingSettings", "TrackingSettings"]


class TrackingSettings(Settings):
    """Which tracker runs."""

    tracker: str = live("auto", "Tracker plugin that matches people across frames; auto: kalman, none: no ids.")


class SmoothingSettings(Settings):
    """Smoothing of keypoints of people with ids. Speeds are in units of the person's size."""

    keypoints: bool = live(True, "Smooth the keypoints of tracked people (One Euro filter).")
    min_cutoff: float = live(0.5, "Cutoff frequency for a still keypoint, Hz; lower is smoother.", ge=0.001, le=1000.0)
    beta: float = live(
        8.0,
        "Increase of the cutoff with speed, Hz per person size per second; higher follows faster.",
        ge=0.0,
        le=10_000.0,
    )
    speed_cutoff: float = live(
        2.0, "Cutoff frequency for the speed estimate, Hz; lower ignores more sudden moves.", ge=0.001, le=1000.0
    )
    min_score: float = live(0.3, "Minimum score of a smoothed keypoint; below it, smoothing restarts.", ge=0.0, le=1.0)
