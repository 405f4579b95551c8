"""Shared by the adapters without rclpy: names, parameters, log, timers, and the loop that runs callbacks."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from ...settings import Parameter
from .failures import describe
from .headers import make_time
from .lifecycle import Lifecycle
from .names import Names, RosArguments
from .node_parameters import Parameters
from .parameter_services import ParameterServices
from .port import Endpoint, Level, Messages, Node, Publisher, Subscription
from .qos import RELIABLE, SENSOR, Qos, override_qos
from .rosbag_types import RosbagMessages

__all__ = ["PATIENCE_S", "ROSOUT", "LocalGraph", "Throttle", "rosout_message", "signals"]

_LEVELS: Mapping[str, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "fatal": logging.CRITICAL,
}
#: Maximum time before a signal is noticed, s.
PATIENCE_S = 0.1


#: QoS of /rosout (rclcpp's RosoutQoS), and level numbers of rcl_interfaces/Log.
ROSOUT = Qos(depth=1000, latched=True)
_ROSOUT_LEVELS: Mapping[Level, int] = {"debug": 10, "info": 20, "warn": 30, "error": 40}


def rosout_message(messages: Messages, names: Names, level: Level, text: str) -> Any:
    """Make an rcl_interfaces/Log for /rosout."""
    stamp = make_time(messages, time.time_ns())
    name = names.full_name.strip("/").replace("/", ".")
    return messages.make("rcl_interfaces/msg/Log", stamp=stamp, level=_ROSOUT_LEVELS[level], name=name, msg=text)


#: Maximum number of distinct keys; keys may contain text from peers.
_MOST_KEYS: Final = 200
_LONGEST_KEY: Final = 200
#: All further messages share one key and this interval.
_OTHERS, _OTHERS_EVERY_S = "", 10.0


class Throttle:
    """Decides which log messages pass: `once` ever, or once per `every_s` seconds, by key."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}

    def passes(self, key: str, once: bool, every_s: float) -> bool:
        """Whether to say it now."""
        if not once and every_s <= 0:
            return True
        key = key[:_LONGEST_KEY]
        if key not in self._last and len(self._last) >= _MOST_KEYS:
            key, once, every_s = _OTHERS, False, _OTHERS_EVERY_S
        now, last = time.monotonic(), self._last.get(key)
        if last is not None and (once or now - last < every_s):
            return False
        self._last[key] = now
        return True


class _Timer:
    def __init__(self, period_s: float, callback: Callable[[], None]) -> None:
        self.period_s, self.callback = period_s, callback
        self.due, self.canceled = time.monotonic() + period_s, False

    def cancel(self) -> None:
        self.canceled = True


class LocalGraph:
    """A Graph without topics; adapters add them, with `_serve` and `_wake`."""

    def __init__(self, arguments: RosArguments, messages: RosbagMessages) -> None:
        self.names, self.messages = arguments.names, messages
        self._parameters = Parameters(arguments.overrides)
        # Not below "bodyseg_ros", whose messages may be forwarded to log() here.
        self._logger = logging.getLogger(f"node{arguments.names.full_name.replace('/', '.')}")
        if arguments.log_level in _LEVELS:
            self._logger.setLevel(_LEVELS[arguments.log_level])
        self._throttle = Throttle()
        self._timers: list[_Timer] = []
        self._stopped = threading.Event()
        self._parameter_services: ParameterServices | None = None
        self._clock_ns: int | None = 0 if self._parameters.graph.use_sim_time else None

    @property
    def name(self) -> str:
        """See Graph."""
        return self.names.node

    @property
    def namespace(self) -> str:
        """See Graph."""
        return self.names.namespace

    def resolve_topic(self, topic: str, type_name: str, qos: Qos, entity: str, *, raw: bool = False) -> tuple[str, Qos]:
        """Return a topic's full name, and its QoS with the parameters' overrides.

        entity: 'publisher' or 'subscription'. Raises GraphError for an unknown type, unless `raw`.
        """
        if not raw:
            self.messages.require(type_name)
        name = self.names.resolve(topic)
        return name, override_qos(qos, self._parameters.qos_overrides, name, entity)

    @property
    def overrides(self) -> Mapping[str, Any]:
        """See Graph."""
        return self._parameters.overrides

    def declare(self, parameters: Sequence[Parameter]) -> dict[str, Any]:
        """See Graph."""
        return self._parameters.declare(parameters, partial(self.log, "warn"))

    def on_change(self, callback: Callable[[dict[str, Any]], None]) -> None:
        """See Graph."""
        self._parameters.listen(callback)

    def set_parameters(self, values: Mapping[str, Any]) -> None:
        """See Graph."""
        changed = self._parameters.change(values)
        if changed and self._parameter_services:
            self._parameter_services.tell(changed)

    def timer(self, period_s: float, callback: Callable[[], None]) -> _Timer:
        """See Graph."""
        self._timers.append(_Timer(period_s, callback))
        return self._timers[-1]

    def now_ns(self) -> int:
        """See Graph."""
        return time.time_ns() if self._clock_ns is None else self._clock_ns

    def log(self, level: Level, text: str, *, once: bool = False, every_s: float = 0.0, key: str = "") -> None:
        """See Graph."""
        if self._throttle.passes(key or text, once, every_s) and self._logger.isEnabledFor(_LEVELS[level]):
            self._logger.log(_LEVELS[level], "%s", text)
            self._said(level, text)

    def spin(self, node: Node) -> None:
        """See Graph."""
        self._parameter_services = ParameterServices(self, self._parameters)
        lifecycle = Lifecycle(self, node)
        with signals(self.shutdown):
            try:
                if self._parameters.graph.autostart:
                    lifecycle.start()
                while not (self._stopped.is_set() or lifecycle.finished):
                    self.spin_once(PATIENCE_S)
            finally:
                lifecycle.end()

    def spin_once(self, patience_s: float = 0.0) -> None:
        """Run due callbacks, after waiting at most `patience_s` seconds."""
        self._timers = [timer for timer in self._timers if not timer.canceled]
        now = time.monotonic()
        soonest = min((timer.due for timer in self._timers), default=now + patience_s)
        self._serve(min(max(soonest - now, 0.0), patience_s))
        for timer in self._timers:
            now = time.monotonic()
            if now >= timer.due and not timer.canceled:
                missed = int((now - timer.due) / timer.period_s)
                timer.due += (missed + 1) * timer.period_s
                self._guarded("A timer", timer.callback)

    def shutdown(self) -> None:
        """See Graph."""
        self._stopped.set()
        self._wake()

    def _guarded(self, doing: str, callback: Callable[..., Any], *arguments: Any) -> Any:
        """Run a callback; log exceptions, with the traceback at debug level."""
        try:
            return callback(*arguments)
        except Exception as err:  # one bad message must not end the node
            self.log("error", describe(err, doing), every_s=1.0)
            self._logger.debug("%s", doing, exc_info=err)
            return None

    def _follow_clock(self) -> None:
        """Follow /clock if the parameters say so; adapters call it when they are ready."""

        def take(message: Any) -> None:
            self._clock_ns = message.clock.sec * 1_000_000_000 + message.clock.nanosec

        if self._clock_ns is not None:
            self.subscribe("/clock", "rosgraph_msgs/msg/Clock", SENSOR, take)

    def publisher(self, topic: str, type_name: str, qos: Qos = RELIABLE) -> Publisher:
        """See Graph."""
        raise NotImplementedError

    def subscribe(
        self, topic: str, type_name: str, qos: Qos, callback: Callable[[Any], None], *, raw: bool = False
    ) -> Subscription:
        """See Graph."""
        raise NotImplementedError

    def service(self, name: str, type_name: str, handler: Callable[[Any], Mapping[str, Any]]) -> None:
        """See Graph."""
        raise NotImplementedError

    def endpoints(self) -> list[Endpoint]:
        """See Graph."""
        raise NotImplementedError

    def close(self) -> None:
        """See Graph."""
        raise NotImplementedError

    def _serve(self, timeout_s: float) -> None:
        """Wait for messages and run their callbacks."""
        raise NotImplementedError

    def _wake(self) -> None:
        """Make a waiting `_serve` return. Thread-safe."""

    def _said(self, level: Level, text: str) -> None:
        """Pass on what was logged."""


@contextmanager
def signals(stop: Callable[[], None]) -> Iterator[None]:
    """Let SIGINT and SIGTERM call `stop`; the second signal ends the process at once with the shell's status.

    By then a frame may be in native code that cannot be interrupted. Main thread only.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    stopping = False

    def handle(number: int, frame: Any) -> None:
        nonlocal stopping
        if stopping:
            os._exit(128 + number)
        stopping = True
        stop()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
