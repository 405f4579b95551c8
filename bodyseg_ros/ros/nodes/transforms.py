"""Where frames stand to each other, as /tf and /tf_static tell."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from ...errors import FrameError
from ...space import Rigid, TransformTree
from ..graph.headers import stamp_ns
from ..graph.port import Graph, Subscription
from ..graph.qos import Qos

__all__ = ["Transforms"]

_TYPE = "tf2_msgs/msg/TFMessage"
#: As tf2's listener asks for them.
_MOVING, _FIXED = Qos(depth=100), Qos(depth=100, latched=True)


class Transforms:
    """Hears transforms between start() and stop(), and answers from any thread.

    It is the same on all runtimes, whether tf2 is there or not, so that they answer alike. problem: told of what
    cannot be used.
    """

    def __init__(self, graph: Graph, problem: Callable[[Exception], None]) -> None:
        self._graph, self._problem = graph, problem
        self._lock = threading.Lock()
        self._tree = TransformTree()
        self._subscriptions: list[Subscription] = []

    @property
    def available(self) -> bool:
        """Whether the message type is installed."""
        return self._graph.messages.knows(_TYPE)

    def start(self) -> None:
        """Hear transforms."""
        if self.available and not self._subscriptions:
            self._subscriptions = [
                self._graph.subscribe("/tf_static", _TYPE, _FIXED, lambda message: self._take(message, fixed=True)),
                self._graph.subscribe("/tf", _TYPE, _MOVING, lambda message: self._take(message, fixed=False)),
            ]

    def stop(self) -> None:
        """Hear no more; may be called again."""
        for subscription in self._subscriptions:
            subscription.close()
        self._subscriptions = []

    def lookup(self, target: str, target_ns: int, source: str, source_ns: int, fixed: str = "") -> Rigid:
        """What takes points of `source` at one moment to `target` at another, by a frame that is fixed meanwhile.

        fixed: ''; then both are taken at the source's moment. Raises FrameError where it is not known, or not yet.
        """
        if target == source and not fixed:
            return Rigid.still()
        with self._lock:
            if fixed:
                return self._tree.between(target, target_ns, source, source_ns, fixed)
            return self._tree.lookup(target, source, source_ns)

    def _take(self, message: Any, *, fixed: bool) -> None:
        for one in message.transforms:
            turn, shift = one.transform.rotation, one.transform.translation
            try:
                pose = Rigid.of((turn.x, turn.y, turn.z, turn.w), (shift.x, shift.y, shift.z))
                with self._lock:
                    self._tree.add(one.header.frame_id, one.child_frame_id, stamp_ns(one.header), pose, fixed=fixed)
            except FrameError as err:
                self._problem(err)
