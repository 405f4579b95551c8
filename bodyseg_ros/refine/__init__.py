"""A person mask made neater than the network left it: edges, holes, specks, flicker."""

from .mask_edges import fill_holes, shifted_edge
from .refine_settings import RefineSettings
from .refiner import Refiner

__all__ = ["RefineSettings", "Refiner", "fill_holes", "shifted_edge"]
