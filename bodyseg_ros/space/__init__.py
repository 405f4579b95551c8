"""Geometry in three dimensions: rigid transforms, cameras that project, and which points are people's."""

from .people_points import PeopleView
from .pinhole import Pinhole
from .rigid import Rigid
from .transform_tree import TransformTree

__all__ = ["PeopleView", "Pinhole", "Rigid", "TransformTree"]
