"""The topic `background/image`: the new background when virtual_background.source is topic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ...errors import FrameError
from ...types import Frame
from ..graph.image_messages import check_picture, read_image
from ..graph.port import Graph, Subscription
from ..graph.qos import SENSOR

__all__ = ["BackgroundTopic"]


class BackgroundTopic:
    """Keeps the newest valid image of the topic and attaches it to frames.

    problem: called with a message about an unusable image. max_px: size limit, pixels.
    """

    def __init__(self, graph: Graph, problem: Callable[[Exception], None], max_px: int) -> None:
        self._graph, self._problem, self._max_px = graph, problem, max_px
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
        """Return the frame with the newest background, if there is one."""
        message = self._message
        if message is None:
            return frame
        if self._read is None or self._read[0] is not message:
            self._read = (message, read_image(message))
        return replace(frame, background=self._read[1].image)

    def _keep(self, message: Any) -> None:
        try:
            check_picture(message, self._max_px)
        except FrameError as err:
            self._problem(err)
        else:
            self._message = message
