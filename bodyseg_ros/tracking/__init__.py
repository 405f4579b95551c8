"""Who is the same as in the frames before, and keypoints that do not tremble."""

from .follower import NOBODY_FOLLOWED, Following, PeopleFollower
from .one_euro import KeypointSmoother
from .tracker import Tracker
from .tracking_settings import SmoothingSettings, TrackingSettings

__all__ = [
    "NOBODY_FOLLOWED",
    "Following",
    "KeypointSmoother",
    "PeopleFollower",
    "SmoothingSettings",
    "Tracker",
    "TrackingSettings",
]
