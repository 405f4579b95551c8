"""Know a network: how a frame goes in, what its tensors mean."""

from .base import LearnsBackground, Network

__all__ = ["LearnsBackground", "Network"]
