"""The node `privacy_camera`: a camera's topics with people painted over, and a blank picture where that fails."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...effects import compose_all, load_effects, needs_of
from ...errors import FrameError, ModelError
from ...plan import Plan
from ...privacy import NEEDED, Hider, MaskCheck, Safe, blank, refuse_blindness, unfit_reason
from ...types import Frame
from ..graph.headers import make_header, shorten, stamp_ns
from ..graph.image_messages import compressed_message, image_message
from ..graph.port import Graph, Publisher, Subscription, Timer
from .camera_info import CAMERA_INFO, camera_info_of
from .frame_node import FrameNode
from .node_model import NodeModel
from .node_page import NodePage
from .node_plan import plan_node
from .node_settings import PrivacySettings
from .playing import play
from .run_node import run_node

__all__ = ["PrivacyCameraNode", "main"]

#: Of a blank picture before any other has come.
_FIRST_SIZE = (480, 640)
#: The only picture on the live page.
_LAYER = "camera without people"


@dataclass(frozen=True)
class _Arrival:
    """A picture on its way to the worker.

    time_ns: when it came, by a clock that nobody on the graph can set. read: what makes a frame of it; may raise
    FrameError.
    """

    header: Any
    encoding: str
    time_ns: int
    read: Callable[[], Frame]


@dataclass(frozen=True)
class _Topics:
    """What goes out."""

    raw: Publisher
    compressed: Publisher
    info: Publisher


class PrivacyCameraNode(FrameNode[_Arrival]):
    """Publishes `~/image`, `~/image/compressed` and `~/camera_info`; every frame is hidden or blank.

    All parameters are read at start: nobody on the graph may weaken what hides people.
    open_model: loads the network that a plan describes.
    """

    def __init__(self, graph: Graph, open_model: Callable[[Plan[PrivacySettings]], NodeModel] = NodeModel) -> None:
        self._open_model = open_model
        self._plan = plan_node(graph, PrivacySettings)
        self._fixed = [replace(parameter, live=False) for parameter in self._plan.parameters]
        graph.declare(self._fixed)
        self._settings = self._plan.own
        refuse_blindness(self._plan)
        self._effects = load_effects("effects", self._settings.effects, self._plan.effects)
        self._check = MaskCheck()
        self._hider = Hider(self._settings)
        # Oldest first: those that are published when later ones have been looked at, and the one that is looked at.
        self._waiting: deque[_Arrival] = deque()
        self._model: NodeModel | None = None
        self._player: threading.Thread | None = None
        self._stopped = threading.Event()
        self._watch: Timer | None = None
        self._load_error = ""
        self._interrupted = True
        # What a blank picture says where nothing was sent in time: while the worker is at it, and while it waits.
        self._busy, self._idle = "", "No picture has come yet."
        self._size, self._frame_id = _FIRST_SIZE, self._settings.frame_id
        self._progress_at = time.monotonic()
        self._out: _Topics | None = None
        super().__init__(graph, self._settings)
        # Like the topics, the page shows what _send() sends, and nothing else: no photos, no parameters.
        self._page = NodePage(
            graph,
            self._settings,
            self._fixed,
            values=lambda: self._plan.values,
            figures=lambda: self.diagnostics.latest,
            layers=lambda: [_LAYER],
        )

    def configure(self) -> None:
        """Offer the topics. The model is loaded beside: until it is there, pictures are blank."""
        if not self._out:
            publisher = self._graph.publisher
            self._out = _Topics(
                publisher("~/image", "sensor_msgs/msg/Image"),
                publisher("~/image/compressed", "sensor_msgs/msg/CompressedImage"),
                publisher("~/camera_info", CAMERA_INFO),
            )
        self._page.start()

    def activate(self) -> None:
        """Take frames, from the topic or from the source."""
        self._interrupted = True  # what was seen before says nothing of what is there now
        self._progress_at = time.monotonic()
        super().activate()
        self._stopped.clear()
        if self._settings.source:
            self._player = threading.Thread(target=self._play, name="source", daemon=True)
            self._player.start()
        self._watch = self._graph.timer(self._settings.max_age / 2, self.watch)

    def deactivate(self) -> None:
        """Take no more frames."""
        self._stopped.set()
        if self._watch:
            self._watch.cancel()
        if self._player:
            self._player.join()
            self._player = None
        super().deactivate()

    def cleanup(self) -> None:
        """Give the model back."""
        self._page.stop()
        if self._model:
            self._model.close()
            self._model = None
        self._load_error = ""

    def _subscribe(self) -> list[Subscription]:
        """To nothing where the node has a source of its own."""
        return [] if self._settings.source else super()._subscribe()

    def _hear(self, message: Any) -> None:
        self._frame_id = shorten(message.header.frame_id)
        encoding, now_ns = getattr(message, "encoding", ""), time.monotonic_ns()
        self._put(_Arrival(message.header, encoding, now_ns, lambda: self._reader.read(message)))

    def _play(self) -> None:
        """The source's frames, stamped as they come; the raw picture never leaves this process."""

        def take(frame: Frame) -> None:
            now, frame_id = self._graph.now_ns(), self._settings.frame_id
            stamped = Frame(frame.image, now, frame_id)
            self.diagnostics.frame_in()
            header = make_header(self._graph.messages, now, frame_id)
            self._put(_Arrival(header, "", time.monotonic_ns(), lambda: stamped))

        try:
            play(self._settings, self._stopped, take)
            self._idle = "The source has ended."
        except Exception as err:  # noqa: BLE001 - a thread that ends unheard leaves a node that looks alive
            self._idle = str(err) or type(err).__name__
            self._graph.log("error", self._idle)

    def _put(self, arrival: _Arrival) -> None:
        self._idle = "No new image was received."
        super()._put(arrival)

    def _process(self, arrival: _Arrival) -> None:
        """One frame, on the worker's thread: one picture out for each, whatever happens."""
        if not self._listened:
            self._interrupted = True
            return
        began = time.perf_counter()
        if self._interrupted:
            self._interrupted = False
            self._hider.forget()
            self._waiting.clear()
        self._waiting.append(arrival)
        try:
            picture = self._picture(arrival)
            ready = [] if picture is None else [(self._waiting.popleft(), picture)]
        except Exception as err:  # noqa: BLE001 - whatever went wrong, the picture must not be shown
            self.diagnostics.problem(err)
            refused = self._refused(str(err) or type(err).__name__)
            ready = [(each, refused) for each in self._waiting]
        finally:
            self._busy = ""
        self._progress_at = time.monotonic()
        for each, picture in ready:
            self._send(picture, each.header, each.encoding)
            age_ns = self._graph.now_ns() - stamp_ns(each.header)
            self.diagnostics.frame_out((time.perf_counter() - began) * 1e3, age_ns / 1e6)

    def _picture(self, arrival: _Arrival) -> Safe | None:
        """The oldest waiting frame with people hidden, or None where it must wait for later ones.

        Raises where people cannot be hidden, the mask is not ready in time, or may be wrong.
        """
        model = self._loaded()
        self._busy = "The mask is late: the network has not answered."
        frame = arrival.read()
        self._size = frame.size
        result = model.run(self._plan, frame, NEEDED | needs_of(self._effects))
        self._check.check(frame, result)
        self._hider.look(frame, result, arrival.time_ns)
        covered = self._hider.hide()
        if covered is None:
            self._check_age(arrival)
            return None
        hidden, result = covered
        image = compose_all(self._effects, hidden, result)[..., :3]
        if image.shape != frame.image.shape or image.dtype != np.uint8:
            raise FrameError(f"The effects returned {image.dtype} {image.shape} for an image of {frame.size}.")
        self._check_age(arrival)
        if self._hider.missing:
            return blank(self._size, f"Looking for people: {self._hider.missing} more frames.")
        return Safe(image)

    def _loaded(self) -> NodeModel:
        """The network, loaded at the first frame. Raises ModelError where that failed, then and from then on."""
        if self._model is None and not self._load_error:
            self._busy = "The model is being loaded."
            try:
                self._model = self._open_model(self._plan)
                self._model.warm_up()
                self._load_error = unfit_reason(self._model, needs_of(self._effects))
                self._graph.log("info", f"{self._model.name} runs on {self._model.engine}, {self._model.device}.")
            except Exception as err:  # noqa: BLE001 - told below, once here and on every picture
                self._load_error = str(err) or type(err).__name__
        if self._model is None or self._load_error:
            raise ModelError(f"The model cannot be used: {self._load_error}")
        return self._model

    def _check_age(self, arrival: _Arrival) -> None:
        age = (self._graph.now_ns() - stamp_ns(arrival.header)) / 1e9
        if abs(age) > self._settings.max_age:
            raise FrameError(
                f"The image is {age:.2f} s old after masking, more than max_age, {self._settings.max_age:g} s; is "
                "the network too slow, or the camera's clock different?"
            )

    def watch(self) -> None:
        """On the graph's thread: where nothing was done for max_age, say why instead."""
        if time.monotonic() - self._progress_at > self._settings.max_age and self._listened:
            header = make_header(self._graph.messages, self._graph.now_ns(), self._frame_id)
            self._send(self._refused(self._busy or self._idle), header, "")

    def _refused(self, reason: str) -> Safe:
        """The blank picture, after which people are looked for anew: meanwhile they may have moved, unseen."""
        self._interrupted = True
        return blank(self._size, reason)

    @property
    def _listened(self) -> bool:
        if self._page.viewers.watched:
            return True
        return bool(self._out and (self._out.raw.subscriptions or self._out.compressed.subscriptions))

    def _send(self, picture: Safe, header: Any, encoding: str) -> None:
        """The only way out. encoding: the input's, whose color order is kept."""
        if not self._out:
            return
        messages, size = self._graph.messages, (picture.image.shape[0], picture.image.shape[1])
        info = camera_info_of(messages, self._camera_info, header, size)
        if info is None:
            info = messages.make(CAMERA_INFO, header=header, height=size[0], width=size[1])
        self._out.info.publish(info)
        if self._out.raw.subscriptions:
            order = "rgb8" if encoding.startswith("rgb") else "bgr8"
            self._out.raw.publish(image_message(messages, header, picture.image, order))
        if self._out.compressed.subscriptions:
            quality = self._settings.jpeg_quality
            self._out.compressed.publish(compressed_message(messages, header, picture.image, quality))
        if self._page.viewers.watched:
            self._page.viewers.show(_LAYER, picture.image, self._settings.jpeg_quality)
        self._progress_at = time.monotonic()

    def _facts(self) -> dict[str, str]:
        """For diagnostics: what runs where."""
        model = self._model
        return {"model": model.name, "engine": model.engine, "device": model.device} if model else {}


def main(argv: Sequence[str] | None = None, runtime: str = "auto") -> None:
    """Run the node until it is told to end; `argv`: ROS arguments, those of the program by default."""
    run_node("privacy_camera", PrivacyCameraNode, argv, runtime)


if __name__ == "__main__":
    main()
