"""Run a network."""

from .base import Engine

__all__ = ["Engine"]
