"""Parameters of events."""

from __future__ import annotations

from ..settings import Settings, live

__all__ = ["EventSettings"]


class EventSettings(Settings):
    """When something counts as an event. Every event has its own threshold to end, so that none flickers."""

    hold_s: float = live(
        0.3, "Time that something must last before its event begins or ends, s; also before a person entered.",
        ge=0.0, le=60.0,
    )  # fmt: skip
    leave_s: float = live(
        2.0, "Time out of view after which a person left, and a state that can no longer be seen ends, s.",
        ge=0.0, le=600.0,
    )  # fmt: skip
    near_m: float = live(
        1.5, "Distance from the camera below which a person is near, m; needs depth.", ge=0.0, le=100.0
    )
    near_gap_m: float = live(0.3, "Additional distance at which a person is no longer near, m.", ge=0.0, le=100.0)
    lying_angle: float = live(
        60.0, "Angle of trunk and legs from the vertical of the image above which a person lies, degrees.",
        ge=10.0, le=90.0,
    )  # fmt: skip
    lying_gap: float = live(
        15.0, "Smaller angle at which a person no longer lies: by so many degrees.", ge=0.0, le=90.0
    )
    hand_gap: float = live(
        0.1,
        "A hand is raised when its wrist is above the head by this share of the trunk's length, and no longer when it "
        "is as much below the highest point of the face.",
        ge=0.0,
        le=1.0,
    )
    min_score: float = live(0.3, "Minimum score of a keypoint that counts.", ge=0.0, le=1.0)
