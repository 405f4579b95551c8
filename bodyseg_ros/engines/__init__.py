"""Run a network."""

from .base import Engine, LeavesCpu, MakesMaps
from .choose import open_engine

__all__ = ["Engine", "LeavesCpu", "MakesMaps", "open_engine"]
