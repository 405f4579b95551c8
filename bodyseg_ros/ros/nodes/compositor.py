"""The node `compositor`: combines an image with its mask, on a machine without the network."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...effects import Effect, load_effects, needs_of
from ...errors import FrameError, SettingsError
from ...plan import plugin_parameters, plugin_settings
from ...refine import RefineSettings
from ...settings import Settings, build, parameters, split_groups, updated
from ...types import Result, Wanted
from ..graph.headers import stamp_ns
from ..graph.image_messages import read_image
from ..graph.port import Graph, Subscription
from ..graph.qos import RELIABLE
from .background_topic import BackgroundTopic
from .frame_context import FrameContext
from .frame_node import PublishingNode
from .live_settings import LiveSettings
from .node_settings import CompositorSettings, NodeSettings, PictureSettings
from .outputs import OUTPUTS, OutputTopic
from .pairs import Pairs
from .run_node import run_node

__all__ = ["CompositorNode", "main"]


class CompositorNode(PublishingNode[tuple[Any, Any]]):
    """Publishes `~/composite` from `image` and `mask` (mono8, above 127 is a person), matched by exact stamp."""

    def __init__(self, graph: Graph) -> None:
        declared = [*parameters(CompositorSettings), *plugin_parameters("effects")]
        graph.declare(declared)
        root, groups = split_groups(graph.overrides)
        self._own, self._effects = build(CompositorSettings, root), plugin_settings("effects", groups)
        self._live = _live_settings(self._own, self._effects, ())
        super().__init__(graph, self._live.settings)
        graph.on_change(self._change)
        self._pairs = Pairs(self._own.waiting_frames, ("image", "mask"))
        self._background = BackgroundTopic(graph, self.diagnostics.problem, self._input.max_image_px)

    def configure(self) -> None:
        """Offer the topics."""
        if not self._publishers:
            rows = [output for output in OUTPUTS if output.topic.startswith("~/composite")]
            self._publishers = {output: self._graph.publisher(output.topic, output.type) for output in rows}

    def activate(self) -> None:
        """Take images and masks."""
        super().activate()
        self._background.start()

    def deactivate(self) -> None:
        """Take no more."""
        self._background.stop()
        super().deactivate()

    def cleanup(self) -> None:
        """Nothing is held."""

    def _subscribe(self) -> list[Subscription]:
        image = self._subscribe_image(self._hear)
        mask = self._graph.subscribe("mask", "sensor_msgs/msg/Image", RELIABLE, self._hear_mask)
        return [image, mask]

    def _change(self, changed: dict[str, Any]) -> None:
        """Apply live parameters from the next frame on. Raises SettingsError and then changes nothing."""
        root, groups = split_groups(changed)
        own, effects = updated(self._own, root), plugin_settings("effects", groups, self._effects)
        self._live = _live_settings(own, effects, self._live.composite)
        self._own, self._effects = own, effects

    def _hear(self, message: Any) -> None:
        if self._is_readable(message):
            self._pair(0, message)

    def _hear_mask(self, message: Any) -> None:
        if self._is_readable(message):
            self._pair(1, message)

    def _pair(self, side: int, message: Any) -> None:
        """Take an image (side 0) or a mask (1), on the graph's thread."""
        try:
            pair = self._pairs.add(side, stamp_ns(message.header), message)
        except FrameError as err:
            self.diagnostics.problem(err)
            return
        if pair:
            self._put(pair)

    def _look(self, pair: tuple[Any, Any], heard: list[OutputTopic]) -> Generator[None, None, FrameContext | None]:
        """Make a result from the mask. Raises FrameError if mask and image differ in size."""
        if not heard:
            return None
        image, mask = pair
        began = time.perf_counter()
        frame = self._background.behind(self._reader.read(image))
        person = _person(mask)
        if person.shape != frame.size:
            raise FrameError(f"The mask is {person.shape}, but the image with its stamp is {frame.size}.")
        yield
        yield
        inference_ms = (time.perf_counter() - began) * 1e3
        result = Result(frame.size, person=person)
        return FrameContext(self._graph.messages, image, frame, result, self._live, inference_ms=inference_ms)


def _live_settings(own: CompositorSettings, effects: Mapping[str, Settings], before: Sequence[Effect]) -> LiveSettings:
    """Raise SettingsError for an unknown effect, or one that needs more than a mask."""
    chain = load_effects("effects", own.effects, effects, before)
    if needs_of(chain) & ~Wanted.PERSON:
        raise SettingsError(
            f"Parameter effects is {list(own.effects)!r}, but the compositor only has a person mask; use effects "
            "that need no more, such as blur_background."
        )
    shared = own.model_dump(include=set(PictureSettings.model_fields))
    return LiveSettings(NodeSettings(**shared), Settings(), RefineSettings(), overlay=(), composite=chain)


def _person(mask: Any) -> NDArray[np.uint8]:
    """Read a mask message as (H, W) uint8, 1 for person. Raises FrameError for values other than 0 and 255.

    A map of parts or instances read as a mask would show people whom an effect must hide.
    """
    values = read_image(mask).image[..., 0]
    if mask.encoding not in ("mono8", "8UC1") or not np.isin(values, (0, 255)).all():
        raise FrameError(
            f"The mask is {mask.encoding} with values up to {int(values.max())}, but it must be mono8 of 0 and 255; "
            "is it the topic ~/mask of the node bodyseg?"
        )
    return np.equal(values, 255).view(np.uint8)


def main(argv: Sequence[str] | None = None, runtime: str = "auto") -> None:
    """Run the node until it is stopped. argv: ROS arguments; default: the program's."""
    run_node("compositor", CompositorNode, argv, runtime)


if __name__ == "__main__":
    main()
