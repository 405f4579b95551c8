"""Parameters of events."""

from __future__ import annotations

from ..settings import Settings, live

__all__ = ["EventSettings"]


class EventSettings(Settings):
    """Thresholds of events. Each event has a separate threshold for its end, so that it does not flicker."""

    hold_s: float = live(
        0.3, "Minimum duration of a state before its event begins or ends, s; also of a person before they entered.",
        ge=0.0, le=60.0,
    )  # fmt: skip
    leave_s: float = live(
        2.0,(
            "Time out of view after which a person left, and after which a state that can no longer be judged ends, "
            "s."
        ),
        ge=0.0, le=600.0,
    )  # fmt: skip
    near_m: float = live(
        1.5, "Distance from the camera below which a person is near, m; needs depth.", ge=0.0, le=100.0
    )
    near_gap_m: float = live(0.3, "Additional distance beyond which a person is no longer near, m.", ge=0.0, le=100.0)
    lying_angle: float = live(
        60.0,(
            "Angle between the vertical of the image and a person's trunk and legs above which the person is lying, "
            "degrees."
        ),
        ge=10.0, le=90.0,
    )  # fmt: skip
    lying_gap: float = live(
        15.0, "Reduction of that angle below which the person is no longer lying, degrees.", ge=0.0, le=90.0
    )
    hand_gap: float = live(
        0.1,
        "A hand is raised if its wrist is above the head by this share of the trunk's length, and lowered if it is as "
        "far below the highest point of the face.",
        ge=0.0,
        le=1.0,
    )
    min_score: float = live(0.3, "Minimum score of a keypoint that counts.", ge=0.0, le=1.0)
