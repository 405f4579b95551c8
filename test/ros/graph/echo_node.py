"""A small node for the tests: sends every image back on ~/echo, scaled by a parameter."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from bodyseg_ros.errors import GraphError, SettingsError
from bodyseg_ros.ros.graph import LATCHED, SENSOR, Graph, open_graph
from bodyseg_ros.settings import Settings, live, parameters, start_only


class EchoSettings(Settings):
    """What the tests set."""

    gain: float = live(1.0, "Factor on every byte.", ge=0.0, le=2.0)
    label: str = start_only("none", "What ~/label says.")
    words: tuple[str, ...] = live((), "Said back by ~/check.")


class Echo:
    """See the module."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.values = graph.declare(list(parameters(EchoSettings)))
        graph.on_change(self.change)

    def configure(self) -> None:
        if self.values["label"] == "bad":
            raise GraphError("The label is bad.")
        if not hasattr(self, "out"):
            self.offer()

    def offer(self) -> None:
        make = self.graph.messages.make
        self.out = self.graph.publisher("~/echo", "sensor_msgs/msg/Image")
        self.label = self.graph.publisher("~/label", "std_msgs/msg/String", LATCHED)
        self.label.publish(make("std_msgs/msg/String", data=str(self.values["label"])))
        self.graph.service("~/enable", "std_srvs/srv/SetBool", self.enable)

    def activate(self) -> None:
        self.subscription = self.graph.subscribe("image", "sensor_msgs/msg/Image", SENSOR, self.take)

    def deactivate(self) -> None:
        self.subscription.close()

    def cleanup(self) -> None:
        self.graph.log("info", "cleaned up")

    def change(self, values: dict[str, Any]) -> None:
        if values.get("gain") == 1.5:
            raise SettingsError("Parameter gain is 1.5, which this node does not like.")
        self.values |= values

    def take(self, message: Any) -> None:
        if message.encoding == "bad":
            raise ValueError("bad encoding")
        data = (np.asarray(message.data) * self.values["gain"]).astype(np.uint8)
        self.out.publish(
            self.graph.messages.make(
                "sensor_msgs/msg/Image",
                header=message.header,
                height=message.height,
                width=message.width,
                encoding=message.encoding,
                step=message.step,
                data=self.graph.messages.pack(data),
            )
        )

    def enable(self, request: Any) -> dict[str, Any]:
        self.graph.set_parameters({"gain": 2.0 if request.data else 1.5})
        return {"success": True, "message": "done"}


if __name__ == "__main__":
    graph = open_graph("echo", sys.argv[2:], sys.argv[1])
    try:
        graph.spin(Echo(graph))
    finally:
        graph.close()
