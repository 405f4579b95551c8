"""Know a network: how a frame goes in, what its tensors mean."""

from .base import LearnsBackground, Network, TakesMaps

__all__ = ["LearnsBackground", "Network", "TakesMaps"]
