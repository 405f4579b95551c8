"""Tracking: person ids across frames, and smoothed keypoints."""

from .follower import NOBODY_FOLLOWED, Following, PeopleFollower
from .motion import Motion
from .one_euro import KeypointSmoother
from .tracker import Tracker
from .tracking_settings import SmoothingSettings, TrackingSettings

__all__ = [
    "NOBODY_FOLLOWED",
    "Following",
    "KeypointSmoother",
    "Motion",
    "PeopleFollower",
    "SmoothingSettings",
    "Tracker",
    "TrackingSettings",
]
