"""Run a network."""

from .choose import open_engine, runnable_formats
from .engine import Engine

__all__ = ["Engine", "open_engine", "runnable_formats"]
