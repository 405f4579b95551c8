"""Know a network: how a frame goes in, what its tensors mean."""

from .network import Network

__all__ = ["Network"]
