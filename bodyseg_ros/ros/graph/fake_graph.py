"""A graph inside one process, without a network, for tests of nodes and their peers.

Graphs on one `Bus` are connected: publish on one, then `spin_once()` on the other runs its callbacks.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...errors import GraphError
from .failures import answer
from .local_graph import LocalGraph
from .names import parse_ros_arguments
from .port import Endpoint, Level
from .qos import RELIABLE, Qos, mismatch
from .rosbag_types import RosbagMessages

__all__ = ["Bus", "FakeGraph"]


class Bus:
    """Connects graphs. Messages are passed by reference: nobody may change one."""

    def __init__(self) -> None:
        self.news = threading.Condition()
        self.publishers: list[_Publisher] = []
        self.subscriptions: list[_Subscription] = []
        self.services: dict[str, tuple[FakeGraph, str, Callable[[Any], Mapping[str, Any]]]] = {}

    def call(self, service: str, **fields: Any) -> Mapping[str, Any]:
        """Call a service by its full name; return the response's fields."""
        if service not in self.services:
            raise GraphError(f"There is no service {service!r}; there are {', '.join(self.services) or 'none'}.")
        graph, type_name, handler = self.services[service]
        return answer(handler, graph.messages.make(f"{type_name}_Request", **fields))


class _End:
    def __init__(self, graph: FakeGraph, topic: str, type_name: str, qos: Qos) -> None:
        self.graph, self.topic, self.type_name, self.qos = graph, topic, type_name, qos

    def endpoint(self) -> Endpoint:
        publishes = isinstance(self, _Publisher)
        return Endpoint(self.topic, self.type_name, self.graph.names.full_name, publishes, self.qos)


class _Publisher(_End):
    """See port.Publisher."""

    def __init__(self, graph: FakeGraph, topic: str, type_name: str, qos: Qos) -> None:
        super().__init__(graph, topic, type_name, qos)
        self.kept: deque[Any] = deque(maxlen=qos.depth if qos.latched else 0)

    @property
    def subscriptions(self) -> int:
        """See port.Publisher."""
        return sum(_hears(subscription, self) for subscription in self.graph.bus.subscriptions)

    def publish(self, message: Any) -> None:
        """See port.Publisher."""
        if isinstance(message, bytes | bytearray | memoryview):
            message = self.graph.messages.deserialize(bytes(message), self.type_name)
        with self.graph.bus.news:
            self.kept.append(message)
            for subscription in self.graph.bus.subscriptions:
                if _hears(subscription, self):
                    subscription.waiting.append(message)
            self.graph.bus.news.notify_all()

    def close(self) -> None:
        """See port.Publisher."""
        with self.graph.bus.news:
            if self in self.graph.bus.publishers:
                self.graph.bus.publishers.remove(self)


class _Subscription(_End):
    """See port.Subscription."""

    def __init__(self, graph: FakeGraph, topic: str, type_name: str, qos: Qos, take: Callable[[Any], None]) -> None:
        super().__init__(graph, topic, type_name, qos)
        self.take = take
        self.waiting: deque[Any] = deque(maxlen=qos.depth)

    @property
    def publishers(self) -> int:
        """See port.Subscription."""
        return sum(_hears(self, publisher) for publisher in self.graph.bus.publishers)

    def close(self) -> None:
        """See port.Subscription."""
        with self.graph.bus.news:
            if self in self.graph.bus.subscriptions:
                self.graph.bus.subscriptions.remove(self)


def _hears(subscription: _Subscription, publisher: _Publisher) -> bool:
    same = (subscription.topic, subscription.type_name) == (publisher.topic, publisher.type_name)
    return same and not mismatch(publisher.qos, subscription.qos)


class FakeGraph(LocalGraph):
    """See port.Graph.

    arguments: as on a command line. said: logged lines as (level, text).
    """

    messages: RosbagMessages

    def __init__(self, name: str, bus: Bus | None = None, arguments: Sequence[str] = ()) -> None:
        super().__init__(parse_ros_arguments(name, arguments), RosbagMessages())
        self.bus = bus or Bus()
        self.said: list[tuple[Level, str]] = []
        self._follow_clock()

    def publisher(self, topic: str, type_name: str, qos: Qos = RELIABLE) -> _Publisher:
        """See port.Graph."""
        full, qos = self.resolve_topic(topic, type_name, qos, "publisher")
        publisher = _Publisher(self, full, type_name, qos)
        with self.bus.news:
            self.bus.publishers.append(publisher)
        return publisher

    def subscribe(
        self, topic: str, type_name: str, qos: Qos, callback: Callable[[Any], None], *, raw: bool = False
    ) -> _Subscription:
        """See port.Graph."""
        full, qos = self.resolve_topic(topic, type_name, qos, "subscription")

        def take(message: Any) -> None:
            callback(self.messages.serialize(message, type_name) if raw else message)

        subscription = _Subscription(self, full, type_name, qos, take)
        with self.bus.news:
            self.bus.subscriptions.append(subscription)
            if qos.latched:
                for publisher in self.bus.publishers:
                    subscription.waiting.extend(publisher.kept if _hears(subscription, publisher) else ())
        return subscription

    def service(self, name: str, type_name: str, handler: Callable[[Any], Mapping[str, Any]]) -> None:
        """See port.Graph; called by `Bus.call`."""
        self.bus.services[self.names.resolve(name)] = (self, type_name, handler)

    def endpoints(self) -> list[Endpoint]:
        """See port.Graph."""
        return [end.endpoint() for end in (*self.bus.publishers, *self.bus.subscriptions)]

    def close(self) -> None:
        """See port.Graph."""
        with self.bus.news:
            self.bus.publishers = [end for end in self.bus.publishers if end.graph is not self]
            self.bus.subscriptions = [end for end in self.bus.subscriptions if end.graph is not self]

    def _serve(self, timeout_s: float) -> None:
        with self.bus.news:
            mine = [end for end in self.bus.subscriptions if end.graph is self]
            if not any(end.waiting for end in mine) and not self._stopped.is_set():
                self.bus.news.wait(timeout_s)
            waiting = [(end, list(end.waiting)) for end in mine]
            for end in mine:
                end.waiting.clear()
        for end, messages in waiting:
            for message in messages:
                self._guarded(f"What came on {end.topic}", end.take, message)

    def _wake(self) -> None:
        with self.bus.news:
            self.bus.news.notify_all()

    def _said(self, level: Level, text: str) -> None:
        self.said.append((level, text))
