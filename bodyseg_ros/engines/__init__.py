"""Run a network."""

from .choose import open_engine
from .engine import Engine, LeavesCpu, MakesMaps

__all__ = ["Engine", "LeavesCpu", "MakesMaps", "open_engine"]
