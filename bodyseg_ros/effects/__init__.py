"""Result and frame to a picture."""

from .chain import load_effects, needs_of
from .contact_sheet import contact_sheet
from .drawing import colored_parts
from .effect import Effect, compose_all

__all__ = ["Effect", "colored_parts", "compose_all", "contact_sheet", "load_effects", "needs_of"]
