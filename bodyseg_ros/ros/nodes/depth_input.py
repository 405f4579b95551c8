"""The depth camera's topics, for whatever the node does with depth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..graph.port import Graph, Subscription
from ..graph.qos import SENSOR
from .camera_info import subscribe_camera_info

__all__ = ["DepthInput"]


class DepthInput:
    """Subscribes to `depth/image` and the camera_info beside it; hands each image to all takers.

    camera_info: the last message, or None. present: whether an image has come.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._takers: list[Callable[[Any], None]] = []
        self._subscriptions: list[Subscription] = []
        self.camera_info: Any = None
        self.present = False

    def add(self, take: Callable[[Any], None]) -> None:
        """Call `take` with every depth image, on the graph's thread."""
        self._takers.append(take)

    def start(self) -> None:
        """Take depth images."""
        image = self._graph.subscribe("depth/image", "sensor_msgs/msg/Image", SENSOR, self._take)
        info = subscribe_camera_info(self._graph, "depth/camera_info", image.topic, self._keep_camera_info)
        self._subscriptions = [image, info]

    def stop(self) -> None:
        """Stop. Safe to call more than once."""
        for subscription in self._subscriptions:
            subscription.close()
        self._subscriptions = []

    def _take(self, message: Any) -> None:
        self.present = True
        for take in self._takers:
            take(message)

    def _keep_camera_info(self, message: Any) -> None:
        self.camera_info = message
