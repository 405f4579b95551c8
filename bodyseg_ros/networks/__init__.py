"""Know a network: how a frame goes in, what its tensors mean."""

from .network import LearnsBackground, NeedsPrevious, Network, TakesMaps

__all__ = ["LearnsBackground", "NeedsPrevious", "Network", "TakesMaps"]
