"""The base class of nodes that process camera images: subscribe, process one at a time, publish."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, Generic, TypeVar

from ...errors import FrameError
from ...model import at_once
from ..graph.port import Graph, Publisher, Subscription
from ..graph.qos import SENSOR, Qos
from ..graph.video_messages import VIDEO_TYPES, VideoDecoder
from .camera_info import subscribe_camera_info
from .diagnostics import Diagnostics
from .frame_context import FrameContext
from .frame_reader import FrameReader
from .mailbox import Mailbox
from .node_settings import InputSettings
from .outputs import OutputTopic
from .overlap import OverlappingWorker
from .worker import Worker

__all__ = ["FrameNode", "PublishingNode", "make_messages"]

T = TypeVar("T")
#: Packets of a video queued by the middleware: none may be lost, and each is small.
_VIDEO_DEPTH: Final = 60


def make_messages(
    outputs: Iterable[OutputTopic], context: FrameContext, failed: Callable[[OutputTopic, Exception], None]
) -> list[tuple[OutputTopic, Any]]:
    """Make each output's message; None where the result lacks what it shows.

    An output that fails, such as an effect that raises, is reported to `failed`; the others are still made.
    """
    messages = []
    for output in outputs:
        try:
            messages.append((output, output.make(context)))
        except Exception as err:  # noqa: BLE001, PERF203 - one effect must not take the other topics with it
            failed(output, err)
    return messages


class FrameNode(ABC, Generic[T]):
    """Subscribes to a camera, keeps the newest image in a mailbox, and processes images on a worker thread.

    Publishes diagnostics only. Subclasses add `_process` and what they need in configure() and cleanup().
    """

    def __init__(self, graph: Graph, settings: InputSettings) -> None:
        self._graph, self._input = graph, settings
        self._worker: Worker[T] | OverlappingWorker[T] | None = None
        self._subscriptions: list[Subscription] = []
        self._reader = FrameReader(settings, lambda text: graph.log("info", text, once=True))
        self._camera_info: Any = None
        self._dropped_before = 0
        self.diagnostics = Diagnostics(graph, settings.diagnostics_period, self._facts, self._dropped)

    @abstractmethod
    def configure(self) -> None:
        """See port.Node."""

    def activate(self) -> None:
        """Take frames."""
        self._worker = self._start_worker()
        self._subscriptions = self._subscribe()
        self.diagnostics.start()

    def deactivate(self) -> None:
        """Take no more frames; let the worker finish the current one."""
        for subscription in self._subscriptions:
            subscription.close()
        self._subscriptions = []
        self.diagnostics.stop()
        if self._worker:
            self._worker.stop()
            self._dropped_before += self._worker.dropped
            self._worker = None

    @abstractmethod
    def cleanup(self) -> None:
        """See port.Node."""

    @abstractmethod
    def _process(self, item: T) -> None:
        """Process one frame, on the worker's thread. Raises FrameError or EngineError for an unusable frame."""

    def _start_worker(self) -> Worker[T] | OverlappingWorker[T]:
        return Worker(Mailbox(), self._process, self.diagnostics.problem, self._graph.name)

    def _subscribe(self) -> list[Subscription]:
        """Subscribe to the images and to the camera_info beside them."""
        image = self._subscribe_image(self._hear)
        info = subscribe_camera_info(self._graph, "camera_info", image.topic, self._keep_camera_info)
        return [image, info]

    def _subscribe_image(self, hear: Callable[[Any], None], qos: Qos = SENSOR) -> Subscription:
        """Subscribe to the images and count each; of a video, decode every packet on arrival, as the next needs it."""
        topic, kind = self._input.image_topic
        if kind not in VIDEO_TYPES.values():

            def count(message: Any) -> None:
                self.diagnostics.frame_in()
                hear(message)

            return self._graph.subscribe(topic, kind, qos, count)
        decoder = VideoDecoder(self._graph.messages, self._input.max_image_px)

        def decode(message: Any) -> None:
            self.diagnostics.frame_in()
            try:
                images = decoder.decode(message)
            except FrameError as err:
                self.diagnostics.problem(err)
                return
            for image in images:
                hear(image)

        return self._graph.subscribe(topic, kind, replace(qos, depth=_VIDEO_DEPTH), decode)

    def _hear(self, message: Any) -> None:
        """Receive one image, on the graph's thread."""
        if self._is_readable(message):
            self._put(message)

    def _is_readable(self, message: Any) -> bool:
        """Whether an image's description is valid; an invalid image must not replace a good one in the mailbox."""
        try:
            self._reader.check(message)
        except FrameError as err:
            self.diagnostics.problem(err)
            return False
        return True

    def _put(self, item: T) -> None:
        """Put a frame into the worker's mailbox."""
        if self._worker:
            self._worker.mailbox.put(item)

    def _keep_camera_info(self, message: Any) -> None:
        self._camera_info = message

    def _dropped(self) -> int:
        return self._dropped_before + (self._worker.dropped if self._worker else 0)

    def _facts(self) -> Mapping[str, str]:
        """Engine, device and model for the diagnostics."""
        return {}


class PublishingNode(FrameNode[T]):
    """A node that publishes rows of OUTPUTS: those with subscribers, from one context per frame.

    Subclasses add `_look` and fill `_publishers`.
    """

    def __init__(self, graph: Graph, settings: InputSettings) -> None:
        super().__init__(graph, settings)
        self._publishers: dict[OutputTopic, Publisher] = {}

    @abstractmethod
    def _look(self, item: T, heard: list[OutputTopic]) -> Generator[None, None, FrameContext | None]:
        """Compute what these outputs need.

        Yields twice: before the network and after it. Returns None if there is nothing to publish. Raises FrameError or
        EngineError.
        """

    def _process(self, item: T) -> None:
        at_once(self._steps(item))

    def _steps(self, item: T) -> Generator[None, None, None]:
        """Process one frame. Yields twice, so that the parts before, in and after the network can be scheduled."""
        heard = [output for output, publisher in self._publishers.items() if publisher.subscriptions]
        context = yield from self._look(item, heard)
        if context is None:
            return
        for output, message in make_messages(heard, context, lambda _, err: self.diagnostics.problem(err)):
            self._publish(self._publishers[output], message)
        self._done(context)
        age_ms = (self._graph.now_ns() - context.frame.stamp_ns) / 1e6
        self.diagnostics.frame_out(context.inference_ms, age_ms)

    def _done(self, context: FrameContext) -> None:
        """Called when a frame's messages are published."""

    def _publish(self, publisher: Publisher, message: Any) -> None:
        if message is None:
            text = f"{publisher.topic} is not published: its source is disabled or has not been received."
            self._graph.log("warn", text, once=True)
            return
        try:
            publisher.publish(message)
        except Exception as err:  # noqa: BLE001 - what one topic's middleware refuses must not silence the others
            self.diagnostics.problem(err)
