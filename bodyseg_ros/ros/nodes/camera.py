"""The node `camera`: a photo, a folder, a video or a webcam on topics, for demos and tests."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from ...errors import SettingsError
from ...media import open_source
from ...settings import build, parameters
from ...types import Frame
from ..graph.image_messages import image_message
from ..graph.port import Graph, Qos
from .node_settings import CameraSettings
from .playing import play
from .run_node import run_node

__all__ = ["CameraNode", "main"]

#: How often to look whether somebody has come.
_LOOK_S = 0.01
#: Until the subscriber knows of the publisher too; what is sent before that passes it by.
_SETTLE_S = 0.3


class CameraNode:
    """Publishes `image` and `camera_info` (uncalibrated: all zero) at a rate, once somebody subscribes to `image`."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._settings = build(CameraSettings, graph.declare(list(parameters(CameraSettings))))
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        #: Frames published so far.
        self.published = 0

    def configure(self) -> None:
        """Offer the topics; see that the source can be opened."""
        if not self._settings.source:
            raise SettingsError("Parameter source is '', but it must name a photo, a folder, a video or a camera.")
        open_source(self._settings.source)
        # Reliable, so that a subscriber of either kind hears it.
        self._image = self._graph.publisher("image", "sensor_msgs/msg/Image", Qos(depth=5))
        self._info = self._graph.publisher("camera_info", "sensor_msgs/msg/CameraInfo", Qos(depth=5))

    def activate(self) -> None:
        """Start to publish, once somebody listens: nobody misses the beginning of a video."""
        self._stopped.clear()
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)
        self._thread.start()

    def deactivate(self) -> None:
        """Publish no more."""
        self._stopped.set()
        if self._thread:
            self._thread.join()

    def cleanup(self) -> None:
        """Nothing is held."""

    def _run(self) -> None:
        while not self._image.subscriptions:
            if self._stopped.wait(_LOOK_S):
                return
        if self._stopped.wait(_SETTLE_S):
            return
        try:
            play(self._settings, self._stopped, self._publish)
        except Exception as err:  # noqa: BLE001 - a thread that ends unheard leaves a node that looks alive
            self._graph.log("error", str(err) or type(err).__name__)
        if self._stopped.is_set():
            return
        self._graph.log("info", f"The source has ended after {self.published} frames.")
        self._graph.shutdown()

    def _publish(self, frame: Frame) -> None:
        messages, now = self._graph.messages, self._graph.now_ns()
        stamp = messages.make("builtin_interfaces/msg/Time", sec=now // 10**9, nanosec=now % 10**9)
        header = messages.make("std_msgs/msg/Header", stamp=stamp, frame_id=self._settings.frame_id)
        height, width = frame.size
        self._image.publish(image_message(messages, header, frame.image, self._settings.encoding))
        self._info.publish(messages.make("sensor_msgs/msg/CameraInfo", header=header, height=height, width=width))
        self.published += 1


def main(argv: Sequence[str] | None = None, runtime: str = "auto") -> None:
    """Run the node until it is told to end; `argv`: ROS arguments, those of the program by default."""
    run_node("camera", CameraNode, argv, runtime)


if __name__ == "__main__":
    main()
