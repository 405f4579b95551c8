"""A frame and its result to a picture.

effect.py is the base class and runs effects one after the other; chain.py finds them by name. One module per theme:
drawing, cutting, background, hiding, harmony, framing. backdrop.py, blending.py and palettes.py hold what they share;
contact_sheet.py lays pictures out, example.py draws the person of the documentation.
"""

from .chain import load_effects, needs_of
from .contact_sheet import contact_sheet
from .drawing import colored_parts
from .effect import Effect, compose_all

__all__ = ["Effect", "colored_parts", "compose_all", "contact_sheet", "load_effects", "needs_of"]
