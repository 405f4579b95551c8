"""The node `recorder`: records topics into a bag and reports rates and latencies, for the demo and benchmarks."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import SettingsError
from ...settings import build, parameters
from ..bag import BagWriter, write_bag
from ..graph.port import Graph, Subscription
from ..graph.qos import Qos
from ..graph.rosbag_types import RosbagMessages
from .node_settings import RecorderSettings
from .run_node import run_node

__all__ = ["RecorderNode", "main"]

_DIAGNOSTICS = "diagnostic_msgs/msg/DiagnosticArray"
_QOS = Qos(depth=100)
_LATCHED = Qos(depth=10, latched=True)


class RecorderNode:
    """Subscribes to topics as raw bytes; counts and times every message, and records it if a bag is named."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._settings = build(RecorderSettings, graph.declare(list(parameters(RecorderSettings))))
        self._stack = ExitStack()
        self._bag: BagWriter | None = None
        self._subscriptions: list[Subscription] = []
        #: Topic → (arrival time, stamp) of each message, ns.
        self._heard: dict[str, list[tuple[int, int]]] = {}
        #: The same for topics that come with every frame.
        self._steady: list[list[tuple[int, int]]] = []
        self._types: set[str] = set()
        self._diagnostics: dict[str, str] = {}
        self._messages = RosbagMessages()

    def configure(self) -> None:
        """Make the bag."""
        if not self._settings.topics:
            raise SettingsError("Parameter topics is [], but it must list topics as NAME:TYPE.")
        if self._settings.bag:
            writer = self._stack.enter_context(write_bag(Path(self._settings.bag)))
            self._bag = BagWriter(writer, self._messages)

    def activate(self) -> None:
        """Listen."""
        for text in self._settings.topics:
            topic, colon, type_name = text.partition(":")
            if not colon:
                raise SettingsError(f"Parameter topics has {text!r}, but topics must be NAME:TYPE.")
            self._types.add(type_name)
            self._listen(topic, type_name)
        self._graph.log("info", f"Recording {len(self._settings.topics)} topics.")

    def deactivate(self) -> None:
        """Listen no more."""
        for subscription in self._subscriptions:
            subscription.close()

    def cleanup(self) -> None:
        """Close the bag and write the report."""
        self._stack.close()
        if self._settings.report:
            Path(self._settings.report).write_text(json.dumps(self.report(), indent=2), encoding="utf-8")

    def _listen(self, topic: str, type_name: str) -> None:
        latched = topic.endswith("label_info")
        heard = self._heard.setdefault(topic, [])
        if not latched and type_name != _DIAGNOSTICS:
            self._steady.append(heard)

        def take(raw: bytes) -> None:
            now = self._graph.now_ns()
            if type_name == _DIAGNOSTICS:
                self._note(raw)
            if self._enough():
                # Wait for the node's last diagnostics, so that they cover all that was recorded.
                if type_name == _DIAGNOSTICS or _DIAGNOSTICS not in self._types:
                    self._graph.shutdown()
                return
            # Every message here begins with a std_msgs/Header: in CDR, seconds and nanoseconds after 4 bytes.
            seconds, nanoseconds = struct.unpack_from("<iI" if raw[1] else ">iI", raw, 4)
            heard.append((now, seconds * 1_000_000_000 + nanoseconds))
            if self._bag:
                self._bag.add(topic, type_name, raw, now, _LATCHED if latched else _QOS)

        self._subscriptions.append(
            self._graph.subscribe(topic, type_name, _LATCHED if latched else _QOS, take, raw=True)
        )

    def _enough(self) -> bool:
        first = next(iter(self._heard.values()))
        if not first:
            return False
        passed_s = (self._graph.now_ns() - first[0][0]) / 1e9
        fewest = min((len(heard) for heard in self._steady or self._heard.values() if heard), default=0)
        return 0 < self._settings.messages <= fewest or 0 < self._settings.seconds <= passed_s

    def report(self) -> dict[str, Any]:
        """Per topic: messages, rate in Hz, latency from stamp to arrival in ms (median, 99 %); and the diagnostics."""
        topics = {}
        for topic, heard in self._heard.items():
            times = np.array(heard, np.int64).reshape(-1, 2)
            latency_ms = (times[:, 0] - times[:, 1]) / 1e6
            span_s = (times[-1, 0] - times[0, 0]) / 1e9 if len(times) > 1 else 0.0
            topics[topic] = {
                "messages": len(times),
                "stamps": len(np.unique(times[:, 1])),
                "rate_hz": (len(times) - 1) / span_s if span_s > 0 else None,
                "latency_median_ms": float(np.median(latency_ms)) if len(times) else None,
                "latency_p99_ms": float(np.percentile(latency_ms, 99)) if len(times) else None,
            }
        return {"topics": topics, "diagnostics": self._diagnostics}

    def _note(self, raw: bytes) -> None:
        """Keep the latest of each value; values about frames are empty while there are none."""
        message = self._messages.deserialize(raw, _DIAGNOSTICS)
        self._diagnostics |= {item.key: item.value for status in message.status for item in status.values if item.value}


def main(argv: Sequence[str] | None = None, runtime: str = "auto") -> None:
    """Run the node until it is stopped. argv: ROS arguments; default: the program's."""
    run_node("recorder", RecorderNode, argv, runtime)


if __name__ == "__main__":
    main()
