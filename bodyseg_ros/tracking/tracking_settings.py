"""The parameters of tracking that hold whichever tracker is chosen."""

from __future__ import annotations

from ..settings import Settings, live

__all__ = ["SmoothingSettings", "TrackingSettings"]


class TrackingSettings(Settings):
    """Which tracker runs."""

    tracker: str = live(
        "auto", "Tracker plugin that tells who is the same from frame to frame; auto: kalman. none: people get no ids."
    )


class SmoothingSettings(Settings):
    """How keypoints of people with ids are made calm. Speeds are in the person's own sizes, so that they suit any."""

    keypoints: bool = live(True, "Smooth the keypoints of people who are tracked (One Euro filter).")
    min_cutoff: float = live(
        0.5, "Cutoff frequency for a keypoint that stands still, Hz: lower is calmer.", ge=0.001, le=1000.0
    )
    beta: float = live(
        8.0,
        "How much the cutoff rises with speed, Hz per person's size a second: higher follows faster.",
        ge=0.0,
        le=10_000.0,
    )
    speed_cutoff: float = live(
        2.0, "Cutoff frequency for the speed itself, Hz: lower trusts fewer sudden moves.", ge=0.001, le=1000.0
    )
    min_score: float = live(
        0.3, "A keypoint below this score is left as it is, and smoothed anew once it is seen.", ge=0.0, le=1.0
    )
