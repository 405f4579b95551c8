"""Know a network: how a frame goes in, what its tensors mean."""

from .base import LearnsBackground, NeedsPrevious, Network, TakesMaps

__all__ = ["LearnsBackground", "NeedsPrevious", "Network", "TakesMaps"]
