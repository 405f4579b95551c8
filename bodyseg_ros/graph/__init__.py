"""The port to ROS 2, its adapters, and messages ↔ types."""

from .opening import RUNTIMES, open_graph
from .port import (
    LATCHED,
    RELIABLE,
    SENSOR,
    Endpoint,
    Graph,
    Level,
    Messages,
    Node,
    Publisher,
    Qos,
    Subscription,
    Timer,
    mismatch,
)

__all__ = [
    "LATCHED",
    "RELIABLE",
    "RUNTIMES",
    "SENSOR",
    "Endpoint",
    "Graph",
    "Level",
    "Messages",
    "Node",
    "Publisher",
    "Qos",
    "Subscription",
    "Timer",
    "mismatch",
    "open_graph",
]
