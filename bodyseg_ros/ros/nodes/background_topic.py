"""The topic `background/image`: what stands behind people where virtual_background.source is topic."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...types import Frame
from ..graph.image_messages import read_image
from ..graph.port import SENSOR, Graph, Subscription

__all__ = ["BackgroundTopic"]


class BackgroundTopic:
    """Keeps the newest picture of the topic, and hands it on with the frames."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._subscription: Subscription | None = None
        self._message: Any = None
        self._read: tuple[Any, Frame] | None = None

    def start(self) -> None:
        """Listen."""
        self._subscription = self._graph.subscribe("background/image", "sensor_msgs/msg/Image", SENSOR, self._keep)

    def stop(self) -> None:
        """Listen no more."""
        if self._subscription:
            self._subscription.close()
            self._subscription = None

    def behind(self, frame: Frame) -> Frame:
        """The frame with the newest background, if one has come. Raises FrameError where it cannot be read."""
        message = self._message
        if message is None:
            return frame
        if self._read is None or self._read[0] is not message:
            self._read = (message, read_image(message))
        return replace(frame, background=self._read[1].image)

    def _keep(self, message: Any) -> None:
        self._message = message
