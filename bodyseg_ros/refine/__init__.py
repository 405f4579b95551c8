"""A person mask made neater than the network left it: edges, holes, specks, flicker.

refiner.py remembers the last frame of one camera; mask_edges.py is the arithmetic; refine_settings.py the parameters.
"""

from .mask_edges import fill_holes, shift_edge
from .refine_settings import RefineSettings
from .refiner import Refiner

__all__ = ["RefineSettings", "Refiner", "fill_holes", "shift_edge"]
