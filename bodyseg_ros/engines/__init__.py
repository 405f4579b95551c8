"""Run a network."""

from .base import Engine
from .choose import open_engine

__all__ = ["Engine", "open_engine"]
