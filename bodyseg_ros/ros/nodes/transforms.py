"""Transforms between frames, from /tf and /tf_static."""

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
#: Same QoS as tf2's listener.
_MOVING, _FIXED = Qos(depth=100), Qos(depth=100, latched=True)


class Transforms:
    """Collects transforms between start() and stop(); lookups from any thread.

    The same code on every runtime, with or without tf2, so that results are the same. problem: called with a message
    about unusable transforms.
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
        """Stop. Safe to call more than once."""
        for subscription in self._subscriptions:
            subscription.close()
        self._subscriptions = []

    def lookup(self, target: str, target_ns: int, source: str, source_ns: int, fixed: str = "") -> Rigid:
        """Transform points of `source` at one time to `target` at another, through a frame that is fixed between them.

        fixed: '' uses the source's time for both. Raises FrameError if the transform is unknown, or unknown so far.
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
