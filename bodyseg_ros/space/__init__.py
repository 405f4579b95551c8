"""3D geometry: rigid transforms, cameras, which points belong to people, and people's positions."""

from .depth_view import DepthImage, to_meters
from .locator import PeopleLocator
from .people_in_space import PeopleInSpace, body_pose
from .people_points import PeopleView, people_pixels
from .pinhole import Pinhole
from .rigid import Rigid
from .transform_tree import TransformTree

__all__ = [
    "DepthImage",
    "PeopleInSpace",
    "PeopleLocator",
    "PeopleView",
    "Pinhole",
    "Rigid",
    "TransformTree",
    "body_pose",
    "people_pixels",
    "to_meters",
]
