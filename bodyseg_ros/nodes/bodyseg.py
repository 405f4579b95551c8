"""The node `bodyseg`: one camera, one network, every output from one pass with one stamp."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

from ..errors import BodysegError, FrameError, SettingsError
from ..graph.images import read_compressed, read_image
from ..graph.port import LATCHED, SENSOR, Graph, Publisher, Qos, Subscription
from ..types import Wanted
from .diagnostics import Diagnostics
from .mailbox import Mailbox
from .outputs import LABELS, OUTPUTS, Output, Scene, label_info
from .recipe import Recipe, node_parameters, read_choices
from .run import run_node
from .worker import Worker

__all__ = ["BodysegNode", "main"]

#: With `frame_policy: all`: messages the middleware keeps, and those that wait here, while one is processed.
_KEEP_ALL = Qos(depth=100, reliable=False)
_SLOTS = 8


class BodysegNode:
    """People on topics: see `OUTPUTS` for what goes out; `image` and `camera_info` come in."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._values = graph.declare(node_parameters(graph.overrides))
        self._choices = read_choices(self._values)
        graph.on_change(self._change)
        self._recipe: Recipe | None = None
        self._worker: Worker[Any] | None = None
        self._publishers: list[tuple[Output, Publisher]] = []
        self._subscriptions: list[Subscription] = []
        self._camera_info: Any = None
        self._dropped_before = 0
        self.diagnostics = Diagnostics(graph, self._choices.settings.diagnostics_period, self._facts, self._dropped)

    def configure(self) -> None:
        """Load the model and run it once, offer the topics and the service."""
        self._recipe = Recipe(self._values)
        self._recipe.warm_up()
        self._graph.log("info", f"{self._recipe.model} runs on {self._recipe.engine}, {self._recipe.device}.")
        if not self._publishers:
            self._offer(self._recipe.offers)
            self._graph.service("~/enable", "std_srvs/srv/SetBool", self._enable)

    def activate(self) -> None:
        """Take frames."""
        settings = self._choices.settings
        keep_all = settings.frame_policy == "all"
        mailbox: Mailbox[Any] = Mailbox(keep_all=keep_all, slots=_SLOTS if keep_all else 1)
        self._worker = Worker(mailbox, self._process, self.diagnostics.problem, "bodyseg")
        compressed = settings.image_transport == "compressed"
        topic, kind = ("image/compressed", "CompressedImage") if compressed else ("image", "Image")
        qos = _KEEP_ALL if keep_all else SENSOR
        self._subscriptions = [
            self._graph.subscribe(topic, f"sensor_msgs/msg/{kind}", qos, self._take),
            self._graph.subscribe("camera_info", "sensor_msgs/msg/CameraInfo", SENSOR, self._keep_camera_info),
        ]
        self.diagnostics.start()

    def deactivate(self) -> None:
        """Take no more frames."""
        for subscription in self._subscriptions:
            subscription.close()
        self._subscriptions = []
        self.diagnostics.stop()
        if self._worker:
            self._worker.stop()
            self._dropped_before += self._worker.mailbox.dropped
            self._worker = None

    def cleanup(self) -> None:
        """Give the model back."""
        if self._recipe:
            self._recipe.close()
            self._recipe = None

    def _offer(self, offers: Wanted) -> None:
        """Make the publishers of everything the network and the installed message types allow."""
        absent = []
        for output in OUTPUTS:
            if not self._graph.messages.knows(output.type):
                absent.append(f"{output.topic} ({output.type} is not installed)")
            elif output.needs(self._choices) & ~offers and not output.needs(self._choices) & offers:
                absent.append(f"{output.topic} (the network does not compute it)")
            else:
                self._publishers.append((output, self._graph.publisher(output.topic, output.type)))
        for topic, (needs, classes) in LABELS.items():
            if needs & offers and self._graph.messages.knows("vision_msgs/msg/LabelInfo"):
                message = label_info(self._graph.messages, classes, self._values)
                self._graph.publisher(topic, "vision_msgs/msg/LabelInfo", LATCHED).publish(message)
        if absent:
            self._graph.log("info", f"Topics that are absent: {', '.join(absent)}.")
