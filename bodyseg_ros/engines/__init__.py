"""Run a network."""

from .base import Engine, MakesMaps
from .choose import open_engine

__all__ = ["Engine", "MakesMaps", "open_engine"]
