"""Know a network: how a frame goes in, what its tensors mean."""

from .flip import FlipSettings, flip_if_asked
from .network import LearnsBackground, NeedsPrevious, Network, TakesMaps

__all__ = ["FlipSettings", "LearnsBackground", "NeedsPrevious", "Network", "TakesMaps", "flip_if_asked"]
