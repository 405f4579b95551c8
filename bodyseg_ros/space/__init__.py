"""Geometry in three dimensions: rigid transforms, cameras that project, and which points are people's."""

from .people_points import PeopleView, people_pixels
from .pinhole import Pinhole
from .rigid import Rigid
from .transform_tree import TransformTree

__all__ = ["PeopleView", "Pinhole", "Rigid", "TransformTree", "people_pixels"]
