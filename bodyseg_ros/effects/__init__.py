"""Result and frame to a picture."""

from .base import Effect, Moving, compose_all
from .drawing import colored_parts
from .sheet import contact_sheet

__all__ = ["Effect", "Moving", "colored_parts", "compose_all", "contact_sheet"]
