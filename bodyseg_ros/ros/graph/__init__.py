"""The port to ROS 2, its adapters, and messages ↔ types."""

from .open_graph import open_graph
from .port import LATCHED, RELIABLE, SENSOR, Graph, Qos, mismatch

__all__ = ["LATCHED", "RELIABLE", "SENSOR", "Graph", "Qos", "mismatch", "open_graph"]
