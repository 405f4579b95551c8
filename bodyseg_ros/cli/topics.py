"""`bodyseg topics`: what is on the graph."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ..errors import GraphError
from ..ros.graph.open_graph import open_graph
from ..ros.graph.port import Endpoint, Graph, Subscription
from ..ros.graph.qos import SENSOR, mismatch
from .node import Runtime, ros_arguments

__all__ = ["Lister", "topics", "troubles"]

#: Until every other node has been seen, seconds; DDS nodes announce themselves within this.
_DISCOVERY_S = 1.5
#: Topics of the middleware itself.
_HIDDEN = ("/rosout", "/parameter_events", "ros_discovery_info")


class Lister:
    """A node that looks around, listens for `seconds` to what is published, and ends."""

    def __init__(self, graph: Graph, seconds: float) -> None:
        self._graph, self._seconds = graph, seconds
        graph.declare([])
        self._subscriptions: list[Subscription] = []
        #: Messages heard by topic.
        self.heard: Counter[str] = Counter()
        self.endpoints: list[Endpoint] = []

    def configure(self) -> None:
        """Start to look around."""
        self._look()

    def activate(self) -> None:
        """Listen once everybody has been seen."""
        self._discovery = self._graph.timer(_DISCOVERY_S, self._listen)

    def deactivate(self) -> None:
        """Listen no more."""
        for subscription in self._subscriptions:
            subscription.close()

    def cleanup(self) -> None:
        """Nothing is held."""

    def _look(self) -> None:
        own = f"{self._graph.namespace.rstrip('/')}/{self._graph.name}"
        self.endpoints = [end for end in self._graph.endpoints() if end.node != own and not end.topic.endswith(_HIDDEN)]

    def _listen(self) -> None:
        self._discovery.cancel()
        self._look()
        if not self._seconds:
            self._graph.shutdown()
            return
        self._graph.timer(self._seconds, self._graph.shutdown)
        for topic, type_name in {(end.topic, end.type) for end in self.endpoints if end.publishes}:
            self._hear(topic, type_name)

    def _hear(self, topic: str, type_name: str) -> None:
        def count(raw: bytes) -> None:
            self.heard[topic] += 1

        try:
            self._subscriptions.append(self._graph.subscribe(topic, type_name, SENSOR, count, raw=True))
        except (GraphError, ValueError) as err:
            self._graph.log("warn", f"The rate of {topic} is not measured: {err}")


def troubles(ends: list[Endpoint]) -> list[str]:
    """Why some of one topic's subscribers hear nothing of some of its publishers, as sentences."""
    found = []
    for speaker in (end for end in ends if end.publishes):
        for listener in (end for end in ends if not end.publishes):
            reason = mismatch(speaker.qos, listener.qos)
            if speaker.type != listener.type:
                reason = f"the publisher sends {speaker.type}, the subscriber wants {listener.type}"
            if reason:
                found.append(
                    f"{listener.node or 'a subscriber'} hears nothing of {speaker.node or 'a publisher'}: {reason}."
                )
    return found


def topics(
    context: typer.Context,
    seconds: Annotated[float, typer.Option(min=0.0, help="How long to listen for rates; 0 only looks.")] = 2.0,
    runtime: Runtime = "auto",
) -> None:
    """List the topics on the graph: types, who speaks and listens, rates, and QoS that do not match, with the reason.

    To listen starts work in nodes that work only while somebody listens, such as bodyseg.

    Example: bodyseg topics --seconds 5
    """
    graph = open_graph("bodyseg_topics", ros_arguments(context), runtime)
    try:
        lister = Lister(graph, seconds)
        graph.spin(lister)
    finally:
        graph.close()
    _print(lister, seconds)


def _print(lister: Lister, seconds: float) -> None:
    console = Console(soft_wrap=True)
    table = Table("Hz", "topic", "type", "from", "to", box=None, pad_edge=False)
    by_topic: dict[str, list[Endpoint]] = {}
    for end in lister.endpoints:
        by_topic.setdefault(end.topic, []).append(end)
    for topic, ends in sorted(by_topic.items()):
        rate = f"{lister.heard[topic] / seconds:.1f}" if seconds and any(end.publishes for end in ends) else ""
        names = [sorted({end.node or "?" for end in ends if end.publishes is side}) for side in (True, False)]
        table.add_row(rate, topic, *(", ".join(part) for part in (sorted({end.type for end in ends}), *names)))
    console.print(table if by_topic else "Nobody is on this graph; ROS_DOMAIN_ID must be the same as theirs.")
    for topic, ends in sorted(by_topic.items()):
        for trouble in troubles(ends):
            console.print(f"{topic}: {trouble}", style="red", highlight=False)
