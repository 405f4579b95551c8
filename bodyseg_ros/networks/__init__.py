"""Know a network: how a frame goes in, what its tensors mean."""

from .flip import FlipSettings, flip_if_asked
from .network import Network

__all__ = ["FlipSettings", "Network", "flip_if_asked"]
