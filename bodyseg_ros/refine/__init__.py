"""A person mask made neater than the network left it: edges, holes, specks, flicker."""

from .masks import fill_holes, shifted_edge
from .refiner import Refiner
from .settings import RefineSettings

__all__ = ["RefineSettings", "Refiner", "fill_holes", "shifted_edge"]
