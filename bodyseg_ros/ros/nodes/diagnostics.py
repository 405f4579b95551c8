"""A node's state on /diagnostics."""

from __future__ import annotations

import re
import statistics
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

from ...errors import BodysegError, FrameError
from ..graph.headers import make_header, shorten
from ..graph.port import Graph, Level, Timer
from ..graph.qos import Qos

__all__ = ["Diagnostics", "reason_of"]


_LONGEST_REASON: Final = 500  # characters


def reason_of(err: Exception) -> str:
    """Describe a frame's error: the message of our own errors, with the type for all others."""
    text = str(err) if isinstance(err, BodysegError) else f"{type(err).__name__}: {err}".removesuffix(": ")
    return shorten(text, _LONGEST_REASON)


class Diagnostics:
    """Counts frame events, from any thread, and publishes them every `period_s` between start() and stop().

    facts: called at each message for further values. dropped: called for the number of frames replaced by newer ones.
    """

    def __init__(
        self, graph: Graph, period_s: float, facts: Callable[[], Mapping[str, str]], dropped: Callable[[], int]
    ) -> None:
        self._graph, self._period_s, self._facts, self._dropped = graph, period_s, facts, dropped
        self._publisher = graph.publisher("/diagnostics", "diagnostic_msgs/msg/DiagnosticArray", Qos(depth=10))
        self._lock = threading.Lock()
        self._totals = {"frames_in": 0, "frames_out": 0, "bad_frames": 0, "errors": 0}
        self._told = dict(self._totals)
        self._told_at = time.monotonic()
        self._inference_ms: list[float] = []
        self._age_ms: list[float] = []
        self._problem = ""
        self._timer: Timer | None = None
        #: What the last message said.
        self.latest: Mapping[str, str] = {}

    @property
    def totals(self) -> dict[str, int]:
        """All counts since the start."""
        with self._lock:
            return {**self._totals, "dropped": self._dropped()}

    def frame_in(self) -> None:
        """A frame came."""
        with self._lock:
            self._totals["frames_in"] += 1

    def frame_out(self, inference_ms: float, age_ms: float) -> None:
        """Count a frame whose outputs were published."""
        with self._lock:
            self._totals["frames_out"] += 1
            self._inference_ms.append(inference_ms)
            self._age_ms.append(age_ms)

    def problem(self, err: Exception) -> None:
        """Count a failed frame, and log each distinct reason once."""
        text = reason_of(err)
        with self._lock:
            self._totals["bad_frames" if isinstance(err, FrameError) else "errors"] += 1
            self._problem = text
        level: Level = "warn" if isinstance(err, FrameError) else "error"
        # Sizes and counts differ between frames; without them the reason is the same.
        self._graph.log(level, f"A frame failed: {text}", once=True, key=re.sub(r"[0-9]+", "#", text))

    def start(self) -> None:
        """Publish from now on."""
        self._timer = self._graph.timer(self._period_s, self.publish)

    def stop(self) -> None:
        """Stop publishing. Safe to call more than once."""
        if self._timer:
            self._timer.cancel()

    def publish(self) -> None:
        """Publish the counts since the last message."""
        messages = self._graph.messages
        level, text, values = self._summary()
        self.latest = {"state": text} | values
        status = messages.make(
            "diagnostic_msgs/msg/DiagnosticStatus",
            level=level,
            name=f"{self._graph.namespace.rstrip('/')}/{self._graph.name}: frames",
            message=text,
            hardware_id=values.get("device", ""),
            values=[messages.make("diagnostic_msgs/msg/KeyValue", key=k, value=v) for k, v in values.items()],
        )
        header = make_header(messages, self._graph.now_ns())
        self._publisher.publish(messages.make("diagnostic_msgs/msg/DiagnosticArray", header=header, status=[status]))

    def _summary(self) -> tuple[int, str, dict[str, str]]:
        now = time.monotonic()
        with self._lock:
            fresh = {name: total - self._told[name] for name, total in self._totals.items()}
            seconds = max(now - self._told_at, 1e-9)
            self._told, self._told_at = dict(self._totals), now
            values = {name: str(total) for name, total in self._totals.items()}
            values["dropped"] = str(self._dropped())
            values["rate_hz"] = f"{fresh['frames_out'] / seconds:.2f}"
            values["inference_ms"] = _median(self._inference_ms)
            values["age_ms"] = _median(self._age_ms)
            self._inference_ms, self._age_ms = [], []
            problem, self._problem = self._problem, ""
        values |= self._facts()
        if problem:
            return 1, f"{fresh['bad_frames']} bad frames, {fresh['errors']} errors; the last: {problem}", values
        return 0, f"{fresh['frames_out']} frames in {seconds:.1f} s" if fresh["frames_out"] else "idle", values


def _median(values: list[float]) -> str:
    return f"{statistics.median(values):.2f}" if values else ""
