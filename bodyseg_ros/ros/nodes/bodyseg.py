"""The node `bodyseg`: one camera, one network; all outputs come from one pass and have one stamp."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from pathlib import PurePosixPath
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ...errors import FrameError
from ...events import EventWatcher
from ...settings import build
from ...types import Frame, Wanted
from ..graph.names import RosArguments
from ..graph.port import Graph, Publisher, Subscription
from ..graph.qos import LATCHED, SENSOR, Qos
from .background_topic import BackgroundTopic
from .depth import DepthWithoutPeople
from .depth_input import DepthInput
from .event_messages import EVENTS
from .frame_context import FrameContext
from .frame_node import PublishingNode
from .humans import Humans
from .live_settings import live_settings
from .locating import Locating
from .mailbox import Mailbox
from .node_model import NodeModel
from .node_page import NodePage
from .node_plan import plan_node
from .node_settings import NodeSettings, ProcessSettings
from .outputs import OUTPUTS, OutputTopic, label_infos, wanted_of
from .overlap import OverlappingWorker
from .page_layers import DEPTH_LAYER, LAYERS, offered_layers
from .points_without_people import CLOUD, SCAN, PointsWithoutPeople
from .run_node import run_node
from .seen_people import SeenPeople
from .shared import Shared
from .transforms import Transforms
from .worker import Worker

__all__ = ["BodysegNode", "main"]

#: With `frame_policy: all`: messages queued by the middleware, and in the mailbox, while one is processed.
_KEEP_ALL = Qos(depth=10, reliable=False)
_SLOTS = 8


class BodysegNode(PublishingNode[Any]):
    """Publishes the topics of `OUTPUTS`.

    Subscribes to `image` and `camera_info`, and to the sensors that people are removed from: `depth/image`, `points`,
    `scan`.

    shared: networks and turns shared with the nodes of other cameras in this process.
    """

    def __init__(self, graph: Graph, shared: Shared | None = None) -> None:
        self._shared = shared or Shared()
        self._plan = plan_node(graph, NodeSettings)
        graph.declare(self._plan.parameters)
        self._live = live_settings(self._plan)
        self._model: NodeModel | None = None
        self._watcher = EventWatcher(self._plan.events)
        self._labels: list[Publisher] = []
        self._humans: Humans | None = None
        super().__init__(graph, self._live.settings)
        graph.on_change(self._change)
        self._background = BackgroundTopic(graph, self.diagnostics.problem, self._input.max_image_px)
        settings, problem = self._live.settings, self.diagnostics.problem
        self._page = NodePage(
            graph,
            settings,
            # What the network understands comes first.
            sorted(self._plan.parameters, key=lambda one: one.name not in type(self._plan.network).model_fields),
            values=lambda: self._plan.values,
            figures=lambda: self.diagnostics.latest,
            layers=self._layers,
            photo=self._look_at_photo,
        )
        self._transforms = Transforms(graph, problem)
        self._depth = DepthInput(graph)
        self._locating = Locating(self._depth, settings, self._transforms, problem)
        self._points = [
            PointsWithoutPeople(graph, sensor, settings, self._transforms, problem) for sensor in (CLOUD, SCAN)
        ]
        self._removers: tuple[DepthWithoutPeople | PointsWithoutPeople, ...] = (
            DepthWithoutPeople(graph, self._depth, settings, problem, self._page.viewers),
            *self._points,
        )

    def configure(self) -> None:
        """Load the model, run it once, and create topics and services."""
        # OpenCV's default is a thread per core. It does not run at the same time as the network, so both may use all of
        # them.
        if self._plan.model.threads:
            cv2.setNumThreads(self._plan.model.threads)
        self._model = NodeModel(self._plan, self._shared)
        self._live = self._live.within(self._model.offers)
        self._model.warm_up()
        self._graph.log("info", f"{self._model.name} runs on {self._model.engine}, {self._model.device}.")
        if not self._publishers:
            self._offer(self._model.offers)
            self._humans = self._offer_humans(self._model.offers)
            self._graph.service("~/enable", "std_srvs/srv/SetBool", self._enable)
            if self._model.learns_background:
                self._graph.service("~/capture_background", "std_srvs/srv/Trigger", self._capture_background)
        self._page.start()

    def activate(self) -> None:
        """Take frames."""
        super().activate()
        for points in self._points:
            points.start()
        if self._live.settings.target_frame:
            self._transforms.start()
        self._depth.start()
        if self._humans:
            self._humans.start()
        self._background.start()
        self._publish_labels()

    def deactivate(self) -> None:
        """Take no more frames."""
        for points in self._points:
            points.stop()
        self._depth.stop()
        self._transforms.stop()
        self._background.stop()
        super().deactivate()
        if self._humans:
            self._humans.stop()

    def cleanup(self) -> None:
        """Give the model back."""
        self._page.stop()
        if self._model:
            self._model.close()
            self._model = None

    @property
    def _keep_all(self) -> bool:
        return self._live.settings.frame_policy == "all"

    def _start_worker(self) -> Worker[Any] | OverlappingWorker[Any]:
        mailbox: Mailbox[Any] = Mailbox(keep_all=self._keep_all, slots=_SLOTS if self._keep_all else 1)
        failed, turns, name = self.diagnostics.problem, self._shared.turns, self._graph.name
        if self._model and self._overlaps(self._model):
            return OverlappingWorker(mailbox, self._steps, failed, name, turns, self._model.turns)
        return Worker(mailbox, self._process, failed, name, turns)

    def _overlaps(self, model: NodeModel) -> bool:
        """Whether frames are prepared and decoded while another frame is in the network."""
        overlap = self._live.settings.overlap
        return not model.needs_previous and (overlap == "always" or (overlap == "auto" and model.leaves_cpu))

    def _subscribe_image(self, hear: Callable[[Any], None], qos: Qos = SENSOR) -> Subscription:
        return super()._subscribe_image(hear, _KEEP_ALL if self._keep_all else qos)

    def _offer(self, offers: Wanted) -> None:
        """Create a publisher for every output that the network and the installed message types allow."""
        absent = []
        for output in OUTPUTS:
            if not self._graph.messages.knows(output.type):
                absent.append(f"{output.topic} ({output.type} is not installed)")
            elif output.needs(self._live) & ~offers:
                absent.append(f"{output.topic} (the network does not compute it)")
            else:
                self._publishers[output] = self._graph.publisher(output.topic, output.type)
        if absent:
            self._graph.log("info", f"Topics not advertised: {', '.join(absent)}.")

    def _offer_humans(self, offers: Wanted) -> Humans | None:
        """Create REP-155's topics, if asked for and possible."""
        if not self._live.settings.humans:
            return None
        missing = Humans.missing(self._graph)
        if missing or Humans.NEEDS & ~offers:
            reason = f"{missing} is not installed" if missing else "the network does not tell people apart"
            self._graph.log("warn", f"/humans/bodies is not advertised: {reason}.")
            return None
        return Humans(self._graph, self.diagnostics.problem)

    def _publish_labels(self) -> None:
        """Publish, once and latched, what the numbers in the maps mean."""
        messages, type_name = self._graph.messages, "vision_msgs/msg/LabelInfo"
        if self._labels or not messages.knows(type_name) or not self._model:
            return
        for topic, message in label_infos(messages, self._model.offers, self._model.classes, self._graph.now_ns()):
            self._labels.append(self._graph.publisher(topic, type_name, LATCHED))
            self._labels[-1].publish(message)

    def _look(self, message: Any, heard: list[OutputTopic]) -> Generator[None, None, FrameContext | None]:
        """Compute what subscribers and viewers of the page need; nothing if there are none."""
        live, model = self._live, self._model
        watched = [LAYERS[name] for name in self._page.viewers.watched & LAYERS.keys()]
        if not any(output.topic == EVENTS for output in heard):
            self._watcher.restart()  # a new subscriber is told who is there
        removers = [remover for remover in self._removers if remover.listened]
        humans = self._humans if self._humans and self._humans.listened else None
        if not model or not (heard or removers or watched or humans) or not live.settings.enabled:
            return None
        frame = self._reader.read(message)
        wanted = wanted_of(heard, live)
        for layer in watched:
            wanted |= layer.needs(live)
        if removers:
            wanted |= Wanted.PERSON
        if humans:
            wanted |= humans.NEEDS | humans.EXTRAS
        in_space = humans is not None or any(output.in_space for output in heard)
        if in_space:
            self._locating.expect(message.header)
        began = time.perf_counter()
        result = yield from model.steps(live, frame, wanted)
        inference_ms = (time.perf_counter() - began) * 1e3
        frame = self._background.behind(frame)
        seen = SeenPeople.of(message.header, result, self._camera_info, live.settings)
        if seen:
            for remover in removers:
                remover.people(seen)
        located = self._locating.locate(message.header, result, self._camera_info, live) if in_space else None
        context = FrameContext(
            self._graph.messages,
            message,
            frame,
            result,
            live,
            model.name,
            self._camera_info,
            inference_ms,
            located,
            self._watcher,
        )
        if humans:
            humans.publish(context)
        return context

    def _done(self, context: FrameContext) -> None:
        """Hand the pictures that viewers wait for to the page."""
        viewers = self._page.viewers
        for name in viewers.watched & LAYERS.keys():
            try:
                image = LAYERS[name].paint(context)
            except Exception as err:  # noqa: BLE001 - one effect must not take the other layers with it
                self.diagnostics.problem(err)
                continue
            if image is not None:
                viewers.show(name, image, context.live.settings.jpeg_quality)

    def _layers(self) -> list[str]:
        offered = offered_layers(self._live, self._model.offers) if self._model else []
        return [*offered, DEPTH_LAYER] if self._depth.present else offered

    def _look_at_photo(self, image: NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
        """Paint a layer of a photo that was dropped onto the page, as a camera of its own that shares the network."""
        if name not in LAYERS:
            raise FrameError("A photo has no depth; choose another layer.")
        frame = Frame(image)
        model = NodeModel(self._plan, self._shared)
        live = live_settings(self._plan).within(model.offers)
        try:
            with self._shared.turns, model.turns:
                result = model.run(live, frame, LAYERS[name].needs(live))
        finally:
            model.close()
        painted = LAYERS[name].paint(FrameContext(self._graph.messages, None, frame, result, live))
        if painted is None:
            raise FrameError("The network does not compute what this layer shows.")
        return painted

    def _change(self, changed: dict[str, Any]) -> None:
        """Apply live parameters from the next frame on. Raises SettingsError and then changes nothing."""
        plan = self._plan.changed(changed)
        live = live_settings(plan, self._live)
        if self._model:
            live = live.within(self._model.offers)
            live.check(self._model.offers, changed)
        self._plan, self._live = plan, live

    def _enable(self, request: Any) -> dict[str, Any]:
        self._graph.set_parameters({"enabled": bool(request.data)})
        return {"success": True, "message": ""}

    def _capture_background(self, request: Any) -> dict[str, Any]:
        if not self._model:
            return {"success": False, "message": "The node is not configured, so no background is learned."}
        self._model.capture_background()
        return {"success": True, "message": "The background is learned from the next frames; keep out of view."}

    def _facts(self) -> dict[str, str]:
        """Engine, device and model for the diagnostics."""
        facts = {"enabled": str(self._live.settings.enabled).lower()}
        if self._model:
            facts |= {"model": self._model.name, "engine": self._model.engine, "device": self._model.device}
            facts["overlap"] = str(self._overlaps(self._model)).lower()
        for points in self._points:
            facts |= points.facts
        return facts


def main(argv: Sequence[str] | None = None, runtime: str = "auto") -> None:
    """Run the node, or one node for each of `cameras`, until it is stopped. argv: ROS arguments; default: the
    program's.
    """
    shared = Shared()
    run_node("bodyseg", lambda graph: BodysegNode(graph, shared), argv, runtime, _namespaces)


def _namespaces(given: RosArguments) -> list[str]:
    """Names in the parameter `cameras`. Raises SettingsError."""
    cameras = build(ProcessSettings, {name: given.overrides[name] for name in ("cameras",) if name in given.overrides})
    return [str(PurePosixPath(given.names.namespace, camera)) for camera in cameras.cameras]


if __name__ == "__main__":
    main()
