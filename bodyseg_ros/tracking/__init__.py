"""Who is the same as in the frames before, and keypoints that do not tremble."""

from .follower import Following, PeopleFollower
from .one_euro import KeypointSmoother
from .tracker import Tracker
from .tracking_settings import SmoothingSettings, TrackingSettings

__all__ = ["Following", "KeypointSmoother", "PeopleFollower", "SmoothingSettings", "Tracker", "TrackingSettings"]
