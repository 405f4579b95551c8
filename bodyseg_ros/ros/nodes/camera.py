"""The node `camera`: publishes a photo, folder, video or webcam, for demos and tests."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from ...errors import SettingsError
from ...media import open_source
from ...settings import build, parameters
from ...types import Frame
from ..graph.headers import make_header
from ..graph.image_messages import image_message
from ..graph.port import Graph, Publisher
from ..graph.qos import Qos
from .camera_info import publish_camera_info
from .node_settings import CameraSettings
from .playing import play
from .run_node import run_node

__all__ = ["CameraNode", "main"]

#: Interval between checks for a subscriber.
_LOOK_S = 0.01
#: Time for the subscriber to discover the publisher as well; earlier messages would be lost.
_SETTLE_S = 0.3


class CameraNode:
    """Publishes `image` and `camera_info` (uncalibrated: all zero) at a fixed rate once `image` has a subscriber."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._settings = build(CameraSettings, graph.declare(list(parameters(CameraSettings))))
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._out: tuple[Publisher, Publisher] | None = None
        #: Frames published so far.
        self.published = 0

    def configure(self) -> None:
        """Create the topics and check that the source can be opened."""
        if not self._settings.source:
            raise SettingsError("Parameter source is '', but it must be a photo, folder, video or camera.")
        open_source(self._settings.source)
        if not self._out:
            # Reliable, so that reliable and best-effort subscribers both match.
            qos = Qos(depth=5)
            image = self._graph.publisher("image", "sensor_msgs/msg/Image", qos)
            self._out = (image, publish_camera_info(self._graph, image.topic, qos))

    def activate(self) -> None:
        """Start publishing once there is a subscriber, so that nobody misses the beginning of a video."""
        self._stopped.clear()
        self._thread = threading.Thread(target=self._run, args=self._out or (), name="camera", daemon=True)
        self._thread.start()

    def deactivate(self) -> None:
        """Publish no more."""
        self._stopped.set()
        if self._thread:
            self._thread.join()

    def cleanup(self) -> None:
        """Nothing is held."""

    def _run(self, image: Publisher, info: Publisher) -> None:
        while not image.subscriptions:
            if self._stopped.wait(_LOOK_S):
                return
        if self._stopped.wait(_SETTLE_S):
            return
        try:
            play(self._settings, self._stopped, lambda frame: self._publish(frame, image, info))
        except Exception as err:  # noqa: BLE001 - a thread that ends unheard leaves a node that looks alive
            self._graph.log("error", str(err) or type(err).__name__)
        if self._stopped.is_set():
            return
        self._graph.log("info", f"The source has ended after {self.published} frames.")
        self._graph.shutdown()

    def _publish(self, frame: Frame, image: Publisher, info: Publisher) -> None:
        messages, now = self._graph.messages, self._graph.now_ns()
        header = make_header(messages, now, self._settings.frame_id)
        height, width = frame.size
        image.publish(image_message(messages, header, frame.image, self._settings.encoding))
        info.publish(messages.make("sensor_msgs/msg/CameraInfo", header=header, height=height, width=width))
        self.published += 1


def main(argv: Sequence[str] | None = None, runtime: str = "auto") -> None:
    """Run the node until it is stopped. argv: ROS arguments; default: the program's."""
    run_node("camera", CameraNode, argv, runtime)


if __name__ == "__main__":
    main()
