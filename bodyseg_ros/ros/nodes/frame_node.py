"""What every node that takes a camera's pictures does: hear them, work on one at a time, publish what came of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Mapping
from typing import Any, Generic, TypeVar

from ...errors import FrameError
from ...model import at_once
from ..graph.port import Graph, Publisher, Subscription
from ..graph.qos import SENSOR, Qos
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


def make_messages(
    outputs: Iterable[OutputTopic], context: FrameContext, failed: Callable[[OutputTopic, Exception], None]
) -> list[tuple[OutputTopic, Any]]:
    """The message of each output, None where the result lacks what it shows.

    One that cannot be made, such as of an effect that raises, is told to `failed`, and the others are made all the
    same.
    """
    messages = []
    for output in outputs:
        try:
            messages.append((output, output.make(context)))
        except Exception as err:  # noqa: BLE001, PERF203 - one effect must not take the other topics with it
            failed(output, err)
    return messages


class FrameNode(ABC, Generic[T]):
    """Hears a camera, keeps the newest picture in a mailbox, and has a worker's thread go through them.

    It publishes diagnostics and nothing else. A node adds `_process`, and what it needs in configure() and cleanup().
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
        """Take no more frames; let the worker finish the one in hand."""
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
        """Work on one frame, on the worker's thread. Raises FrameError or EngineError where it cannot be used."""

    def _start_worker(self) -> Worker[T] | OverlappingWorker[T]:
        return Worker(Mailbox(), self._process, self.diagnostics.problem, self._graph.name)

    def _subscribe(self) -> list[Subscription]:
        """To the pictures, and to the camera's description beside them."""
        image = self._subscribe_image(self._hear)
        info = subscribe_camera_info(self._graph, "camera_info", image.topic, self._keep_camera_info)
        return [image, info]

    def _subscribe_image(self, hear: Callable[[Any], None], qos: Qos = SENSOR) -> Subscription:
        """To the pictures; each is counted."""
        topic, kind = self._input.image_topic

        def count(message: Any) -> None:
            self.diagnostics.frame_in()
            hear(message)

        return self._graph.subscribe(topic, kind, qos, count)

    def _hear(self, message: Any) -> None:
        """One picture, on the graph's thread."""
        if self._is_readable(message):
            self._put(message)

    def _is_readable(self, message: Any) -> bool:
        """Whether a picture can be read as far as its description says; a bad one must not take a good one's place."""
        try:
            self._reader.check(message)
        except FrameError as err:
            self.diagnostics.problem(err)
            return False
        return True

    def _put(self, item: T) -> None:
        """Leave a frame for the worker."""
        if self._worker:
            self._worker.mailbox.put(item)

    def _keep_camera_info(self, message: Any) -> None:
        self._camera_info = message

    def _dropped(self) -> int:
        return self._dropped_before + (self._worker.dropped if self._worker else 0)

    def _facts(self) -> Mapping[str, str]:
        """For diagnostics: what runs where."""
        return {}


class PublishingNode(FrameNode[T]):
    """A node that publishes rows of OUTPUTS: those that somebody hears, from one context per frame.

    A node adds `_look`, and fills `_publishers`.
    """

    def __init__(self, graph: Graph, settings: InputSettings) -> None:
        super().__init__(graph, settings)
        self._publishers: dict[OutputTopic, Publisher] = {}

    @abstractmethod
    def _look(self, item: T, heard: list[OutputTopic]) -> Generator[None, None, FrameContext | None]:
        """See what is in a frame, as far as these outputs want it, with two yields: before the network, and after it.

        None if nothing is to be published. Raises FrameError or EngineError.
        """

    def _process(self, item: T) -> None:
        at_once(self._steps(item))

    def _steps(self, item: T) -> Generator[None, None, None]:
        """One frame's way, cut by two yields into what comes before the network, the network, and what comes after."""
        heard = [output for output, publisher in self._publishers.items() if publisher.subscriptions]
        context = yield from self._look(item, heard)
        if context is None:
            return
        for output, message in make_messages(heard, context, lambda _, err: self.diagnostics.problem(err)):
            self._publish(self._publishers[output], message)
        age_ms = (self._graph.now_ns() - context.frame.stamp_ns) / 1e6
        self.diagnostics.frame_out(context.inference_ms, age_ms)

    def _publish(self, publisher: Publisher, message: Any) -> None:
        if message is None:
            text = f"{publisher.topic} is not published: its source is disabled or has not been received."
            self._graph.log("warn", text, once=True)
            return
        try:
            publisher.publish(message)
        except Exception as err:  # noqa: BLE001 - what one topic's middleware refuses must not silence the others
            self.diagnostics.problem(err)
