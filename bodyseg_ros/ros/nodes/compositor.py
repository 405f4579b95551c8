"""The node `compositor`: image and mask of the same moment to a picture, on a machine without the network."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...effects import Effect, load_effects, needs_of
from ...errors import FrameError, SettingsError
from ...plan import plugin_parameters, plugin_settings
from ...refine import RefineSettings
from ...settings import Settings, build, parameters, split_groups
from ...types import Result, Wanted
from ..graph.image_messages import read_image, stamp_ns
from ..graph.port import RELIABLE, SENSOR, Graph, Publisher, Subscription
from .background_topic import BackgroundTopic
from .diagnostics import Diagnostics
from .live_settings import LiveSettings
from .mailbox import Mailbox
from .node_settings import CompositorSettings, NodeSettings, PictureSettings
from .outputs import OUTPUTS, Output, Scene, read_frame
from .pairs import Pairs
from .run_node import run_node
from .worker import Worker

__all__ = ["CompositorNode", "main"]


class CompositorNode:
    """Publishes `~/composite` from `image` and `mask` (mono8, above 127 a person), matched by exact stamp."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        declared = [*parameters(CompositorSettings), *plugin_parameters("effects")]
        self._values = graph.declare(declared)
        self._live = self._read(self._values, ())
        graph.on_change(self._change)
        self._pairs = Pairs(self._values["waiting_frames"])
        self._publishers: list[tuple[Output, Publisher]] = []
        self._subscriptions: list[Subscription] = []
        self._background = BackgroundTopic(graph)
        self._worker: Worker[tuple[Any, Any]] | None = None
        self.diagnostics = Diagnostics(graph, self._values["diagnostics_period"], dict, self._dropped)

    def configure(self) -> None:
        """Offer the topics."""
        if not self._publishers:
            rows = [output for output in OUTPUTS if output.topic.startswith("~/composite")]
            self._publishers = [(output, self._graph.publisher(output.topic, output.type)) for output in rows]

    def activate(self) -> None:
        """Take images and masks."""
        self._worker = Worker(Mailbox(), self._process, self.diagnostics.problem, "compositor")
        topic, kind = self._live.settings.image_topic
        self._subscriptions = [
            self._graph.subscribe(topic, kind, SENSOR, lambda message: self._take(0, message)),
            self._graph.subscribe("mask", "sensor_msgs/msg/Image", RELIABLE, lambda message: self._take(1, message)),
        ]
        self._background.start()
        self.diagnostics.start()

    def deactivate(self) -> None:
        """Take no more."""
        for subscription in self._subscriptions:
            subscription.close()
        self._background.stop()
        self.diagnostics.stop()
        if self._worker:
            self._worker.stop()

    def cleanup(self) -> None:
        """Nothing is held."""

    def _read(self, values: dict[str, Any], before: Sequence[Effect]) -> LiveSettings:
        root, groups = split_groups(values)
        own = build(CompositorSettings, root)
        chain = load_effects("effects", own.effects, plugin_settings("effects", groups), before)
        if needs_of(chain) & ~Wanted.PERSON:
            raise SettingsError(
                f"Parameter effects is {list(own.effects)!r}, but the compositor has a person mask only; "
                "take effects that need no more, such as blur_background."
            )
        shared = own.model_dump(include=set(PictureSettings.model_fields))
        return LiveSettings(NodeSettings(**shared), Settings(), RefineSettings(), overlay=(), composite=chain)

    def _change(self, changed: dict[str, Any]) -> None:
        values = self._values | changed
        self._live = self._read(values, self._live.composite)
        self._values = values

    def _take(self, side: int, message: Any) -> None:
        if side == 0:
            self.diagnostics.frame_in()
        pair = self._pairs.add(side, stamp_ns(message.header), message)
        if pair and self._worker:
            self._worker.mailbox.put(pair)

    def _process(self, pair: tuple[Any, Any]) -> None:
        """One pair, on the worker's thread. Raises FrameError where they do not fit."""
        image, mask = pair
        listened = [(output, publisher) for output, publisher in self._publishers if publisher.subscriptions]
        if not listened:
            return
        began = time.perf_counter()
        frame = self._background.behind(read_frame(image))
        person = _person(mask)
        if person.shape != frame.size:
            raise FrameError(f"The mask is {person.shape}, but the image of the same stamp is {frame.size}.")
        result = Result(frame.size, person=person)
        scene = Scene(self._graph.messages, image, frame, result, self._live, model="")
        for output, publisher in listened:
            publisher.publish(output.make(scene))
        age_ms = (self._graph.now_ns() - frame.stamp_ns) / 1e6
        self.diagnostics.frame_out((time.perf_counter() - began) * 1e3, age_ms)

    def _dropped(self) -> int:
        return self._worker.mailbox.dropped if self._worker else 0


def _person(mask: Any) -> NDArray[np.uint8]:
    """A mask message as (H, W) uint8, 1 person. Raises FrameError for anything but 0 and 255.

    Another picture of numbers (parts, instances) taken for a mask would show people whom an effect must hide.
    """
    values = read_image(mask).image[..., 0]
    if mask.encoding not in ("mono8", "8UC1") or not np.isin(values, (0, 255)).all():
        raise FrameError(
            f"The mask is {mask.encoding} with values up to {int(values.max())}, but it must be mono8 of 0 and 255; "
            "is it the topic ~/mask of the node bodyseg?"
        )
    return np.equal(values, 255).view(np.uint8)


def main(argv: Sequence[str] | None = None, runtime: str = "auto") -> None:
    """Run the node until it is told to end; `argv`: ROS arguments, those of the program by default."""
    run_node("compositor", CompositorNode, argv, runtime)


if __name__ == "__main__":
    main()
