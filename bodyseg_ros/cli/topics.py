"""`bodyseg topics`: list the topics on the graph."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from ..errors import GraphError
from ..ros.graph.open_graph import installed_runtimes, open_graph, usual_runtime
from ..ros.graph.port import Endpoint, Graph, Subscription
from ..ros.graph.qos import SENSOR, mismatch
from .node import Runtime, ros_arguments
from .reporting import AsJson, print_json

__all__ = ["Lister", "topics", "troubles"]

#: Time for discovery of all nodes, s; DDS nodes announce themselves within this.
_DISCOVERY_S = 1.5
#: Topics of the middleware.
_HIDDEN = ("/rosout", "/parameter_events", "ros_discovery_info", "/transition_event")
#: Types with large messages that are expensive to compute.
_PICTURES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage", "sensor_msgs/msg/PointCloud2")
#: Wider than any row, so that rows are not cut when written to a file.
_WIDE = 10_000


class Lister:
    """Lists the graph, measures rates for `seconds`, and ends.

    pictures: also measure images and point clouds.
    """

    def __init__(self, graph: Graph, seconds: float, pictures: bool = False) -> None:
        self._graph, self._seconds, self._pictures = graph, seconds, pictures
        graph.declare([])
        self._subscriptions: list[Subscription] = []
        #: Messages received by topic.
        self.heard: Counter[str] = Counter()
        self.endpoints: list[Endpoint] = []

    def configure(self) -> None:
        """Start to look around."""
        self._look()

    def activate(self) -> None:
        """Subscribe once discovery is complete."""
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
            if self._pictures or type_name not in _PICTURES:
                self._hear(topic, type_name)

    def _hear(self, topic: str, type_name: str) -> None:
        def count(raw: bytes) -> None:
            self.heard[topic] += 1

        try:
            self.heard[topic] = 0
            self._subscriptions.append(self._graph.subscribe(topic, type_name, SENSOR, count, raw=True))
        except (GraphError, ValueError) as err:
            self._graph.log("warn", f"The rate of {topic} is not measured: {err}")


def troubles(ends: list[Endpoint]) -> list[str]:
    """Explain which publishers and subscribers of a topic do not match."""
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
    seconds: Annotated[float, typer.Option(min=0.0, help="Seconds to measure rates for; 0: list only.")] = 2.0,
    pictures: Annotated[
        bool, typer.Option("--pictures", help="Also measure the rates of images and point clouds.")
    ] = False,
    as_json: AsJson = False,
    runtime: Runtime = "auto",
) -> None:
    """List the topics on the graph: types, publishers and subscribers, rates, and QoS mismatches with the reason.

    With --runtime auto, Zenoh topics are included if Zenoh is installed and a router runs. Nodes such as bodyseg
    compute images only while subscribed, that is, with --pictures.

    Example: bodyseg topics --seconds 5
    """
    arguments = ros_arguments(context)
    runtimes = _runtimes() if runtime == "auto" else [runtime]
    listed: list[dict[str, Any]] = []
    for chosen in runtimes:
        graph = open_graph("bodyseg_topics", arguments, chosen)
        try:
            lister = Lister(graph, seconds, pictures)
            graph.spin(lister)
        finally:
            graph.close()
        if as_json:
            listed += _rows(lister, seconds, chosen)
        else:
            _print(lister, seconds, chosen if len(runtimes) > 1 else "")
    if as_json:
        print_json(listed)


def _by_topic(lister: Lister) -> dict[str, list[Endpoint]]:
    by_topic: dict[str, list[Endpoint]] = {}
    for end in lister.endpoints:
        by_topic.setdefault(end.topic, []).append(end)
    return dict(sorted(by_topic.items()))


def _rows(lister: Lister, seconds: float, runtime: str) -> list[dict[str, Any]]:
    """Each topic in plain JSON types; rate_hz is None if it was not measured."""
    return [
        {
            "runtime": runtime,
            "topic": topic,
            "types": sorted({end.type for end in ends}),
            "rate_hz": lister.heard[topic] / seconds if topic in lister.heard else None,
            "publishers": sorted({end.node for end in ends if end.publishes}),
            "subscribers": sorted({end.node for end in ends if not end.publishes}),
            "troubles": troubles(ends),
        }
        for topic, ends in _by_topic(lister).items()
    ]


def _runtimes() -> list[str]:
    """Graphs to list: the default one, and Zenoh if it has nodes."""
    usual = usual_runtime()
    if usual == "zenoh" or "zenoh" not in installed_runtimes():
        return [usual]
    from ..ros.graph.zenoh_session import router_listens

    return [usual, "zenoh"] if router_listens() else [usual]


def _print(lister: Lister, seconds: float, title: str) -> None:
    console = Console(soft_wrap=True)
    if not console.is_terminal:
        console = Console(soft_wrap=True, width=_WIDE)
    if title:
        console.print(f"[bold]{title}[/]")
    table = Table(box=None, pad_edge=False)
    for name in ("Hz", "topic", "type", "from", "to"):
        table.add_column(name, overflow="fold")
    by_topic = _by_topic(lister)
    for topic, ends in by_topic.items():
        rate = f"{lister.heard[topic] / seconds:.1f}" if topic in lister.heard else ""
        names = [sorted({end.node or "?" for end in ends if end.publishes is side}) for side in (True, False)]
        table.add_row(rate, topic, *(", ".join(part) for part in (sorted({end.type for end in ends}), *names)))
    console.print(table if by_topic else "Nobody is on this graph; ROS_DOMAIN_ID must be the same as theirs.")
    for topic, ends in by_topic.items():
        for trouble in troubles(ends):
            console.print(f"{topic}: {trouble}", style="red", highlight=False)
