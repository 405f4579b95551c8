"""Turn a frame and its result into an image.

effect.py has the base class and runs chains; chain.py finds effects by name. One module per theme:
drawing, cutting, background, hiding, harmony, framing. backdrop.py, blending.py and palettes.py are shared helpers;
contact_sheet.py lays out images, example.py draws the person in the documentation.
"""

from .chain import load_effects, needs_of
from .contact_sheet import contact_sheet
from .drawing import colored_parts, people_colors
from .effect import Effect, compose_all

__all__ = ["Effect", "colored_parts", "compose_all", "contact_sheet", "load_effects", "needs_of", "people_colors"]
