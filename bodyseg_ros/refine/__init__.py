"""Refine a person mask after the network: edges, holes, specks, flicker.

refiner.py keeps one camera's last frame; mask_edges.py has the arithmetic; refine_settings.py the parameters.
"""

from .mask_edges import fill_holes, shift_edge
from .refine_settings import RefineSettings
from .refiner import Refiner

__all__ = ["RefineSettings", "Refiner", "fill_holes", "shift_edge"]
