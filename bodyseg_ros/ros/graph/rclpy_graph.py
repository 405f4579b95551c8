"""The graph inside a ROS 2 installation: an rclpy lifecycle node with parameter services.

Written for rclpy 7.1 (Jazzy); everything it uses exists in 3.3 (Humble) too.
"""

from __future__ import annotations

import array
import importlib
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np
import rclpy
from numpy.typing import NDArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.parameter import Parameter as RosParameter
from rclpy.qos import QoSDurabilityPolicy, QoSPolicyKind, QoSProfile, QoSReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions

from ...errors import GraphError, SettingsError
from ...settings import Parameter, parameters
from .failures import answer, describe
from .local_graph import PATIENCE_S, Throttle, signals
from .node_parameters import GraphSettings, Parameters
from .parameter_messages import make_descriptor
from .port import Endpoint, Level, Node
from .qos import RELIABLE, Qos

__all__ = ["RosGraph"]

_POLICIES = (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY, QoSPolicyKind.DURABILITY)


@lru_cache(maxsize=256)
def _message_class(type_name: str) -> Any:
    """Return the generated class; None if its package is not installed."""
    package, kind, name = type_name.split("/")
    try:
        return getattr(importlib.import_module(f"{package}.{kind}"), name, None)
    except ModuleNotFoundError:
        return None


class _Messages:
    """See port.Messages."""

    def knows(self, type_name: str) -> bool:
        return _message_class(type_name) is not None

    def make(self, type_name: str, **fields: Any) -> Any:
        made = self.require(type_name)
        types = made.get_fields_and_field_types()
        if fields.keys() - types.keys():
            raise GraphError(f"{type_name} has no field {', '.join(sorted(fields.keys() - types.keys()))}.")
        # rclpy requires bytes for a byte.
        octets = {name: bytes([fields[name]]) for name in fields if types[name] == "octet"}
        return made(**(fields | octets))

    def pack(self, values: NDArray[Any]) -> Any:
        # An array.array is accepted as is; bytes or a list would be checked item by item.
        packed = array.array(values.dtype.char)
        packed.frombytes(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)
        return packed

    def require(self, type_name: str) -> Any:
        if not self.knows(type_name):
            raise GraphError(f"The type {type_name!r} is not installed; add its package to the ROS workspace.")
        return _message_class(type_name)


class _Publisher:
    """See port.Publisher."""

    def __init__(self, node: Any, publisher: Any) -> None:
        self._node, self._publisher = node, publisher
        self.topic: str = publisher.topic_name

    @property
    def subscriptions(self) -> int:
        return int(self._publisher.get_subscription_count())

    def publish(self, message: Any) -> None:
        self._publisher.publish(bytes(message) if isinstance(message, bytearray | memoryview) else message)

    def close(self) -> None:
        self._node.destroy_publisher(self._publisher)  # a second time it only answers false


class _Subscription:
    """See port.Subscription."""

    def __init__(self, node: Any, subscription: Any, topic: str) -> None:
        self._node, self._subscription, self.topic = node, subscription, topic

    @property
    def publishers(self) -> int:
        return int(self._node.count_publishers(self.topic))

    def close(self) -> None:
        self._node.destroy_subscription(self._subscription)


class _Timer:
    """See port.Timer."""

    def __init__(self, node: Any, timer: Any) -> None:
        self._node, self._timer = node, timer

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._node.destroy_timer(self._timer)
        self._timer = None


class _LifecycleNode(LifecycleNode):  # type: ignore[misc]
    """Forwards transitions to the node that the graph spins.

    rclpy swallows exceptions of transitions, so none may escape.
    """

    served: Node | None = None
    finished = False

    def on_configure(self, state: Any) -> Any:
        return self._step("configure", undo="cleanup")

    def on_activate(self, state: Any) -> Any:
        return self._step("activate", undo="deactivate")

    def on_deactivate(self, state: Any) -> Any:
        return self._step("deactivate")

    def on_cleanup(self, state: Any) -> Any:
        return self._step("cleanup")

    def on_shutdown(self, state: Any) -> Any:
        if state.label == "active":
            self._step("deactivate")
        if state.label in ("active", "inactive"):
            self._step("cleanup")
        self.finished = True
        return TransitionCallbackReturn.SUCCESS

    def _step(self, name: str, undo: str = "") -> Any:
        if self.served is None:
            self.get_logger().error(f"{name} was called before the node was ready.")
            return TransitionCallbackReturn.FAILURE
        try:
            getattr(self.served, name)()
        except Exception as err:  # noqa: BLE001 - it belongs in the log, not in the middleware
            self.get_logger().error(describe(err, name))
            if undo:
                self._step(undo)
            return TransitionCallbackReturn.FAILURE
        return TransitionCallbackReturn.SUCCESS


class RosGraph:
    """See port.Graph. Raises GraphError for ROS arguments that rcl rejects."""

    def __init__(self, name: str, arguments: Sequence[str] = ()) -> None:
        self.messages = _Messages()
        self._context = Context()
        try:
            rclpy.init(args=["bodyseg", *arguments], context=self._context)
            self._node = _LifecycleNode(name, context=self._context)
        except Exception as err:
            raise GraphError(f"The node {name!r} cannot join the graph: {err}") from err
        # Private, but the only place that holds undeclared overrides.
        given = self._node._parameter_overrides
        # rcl passes an empty list as a parameter that is not set.
        values = {key: [] if parameter.value is None else parameter.value for key, parameter in given.items()}
        self._parameters = Parameters(values)
        self._throttle = Throttle()
        self._stopped = threading.Event()
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        for parameter in parameters(GraphSettings):
            if not self._node.has_parameter(parameter.name):  # rclpy declares use_sim_time itself
                self._declare(parameter, getattr(self._parameters.graph, parameter.name))

    @property
    def name(self) -> str:
        """See port.Graph."""
        return str(self._node.get_name())

    @property
    def namespace(self) -> str:
        """See port.Graph."""
        return str(self._node.get_namespace())

    @property
    def overrides(self) -> Mapping[str, Any]:
        """See port.Graph."""
        return self._parameters.overrides

    def declare(self, parameters: Sequence[Parameter]) -> dict[str, Any]:
        """See port.Graph."""
        values = self._parameters.declare(parameters, partial(self.log, "warn"))
        for parameter in parameters:
            self._declare(parameter, values[parameter.name])
        self._node.add_on_set_parameters_callback(self._on_set)
        return values

    def on_change(self, callback: Callable[[dict[str, Any]], None]) -> None:
        """See port.Graph."""
        self._parameters.listen(callback)

    def set_parameters(self, values: Mapping[str, Any]) -> None:
        """See port.Graph."""
        new = self._parameters.checked(values)
        result = self._node.set_parameters_atomically([RosParameter(name, value=new[name]) for name in new])
        if not result.successful:
            raise SettingsError(result.reason)

    def publisher(self, topic: str, type_name: str, qos: Qos = RELIABLE) -> _Publisher:
        """See port.Graph."""
        made = self.messages.require(type_name)
        try:
            publisher = self._node.create_publisher(
                made, topic, _profile(qos), qos_overriding_options=QoSOverridingOptions(_POLICIES)
            )
        except Exception as err:
            raise GraphError(f"{topic!r} cannot be published: {err}") from err
        return _Publisher(self._node, publisher)

    def subscribe(
        self, topic: str, type_name: str, qos: Qos, callback: Callable[[Any], None], *, raw: bool = False
    ) -> _Subscription:
        """See port.Graph. Under rclpy the type must be installed for `raw` too."""
        made = self.messages.require(type_name)
        try:
            full = str(self._node.resolve_topic_name(topic))
            subscription = self._node.create_subscription(
                made,
                topic,
                self._guarded(f"What came on {full}", callback),
                _profile(qos),
                qos_overriding_options=QoSOverridingOptions(_POLICIES),
                raw=raw,
            )
        except Exception as err:
            raise GraphError(f"{topic!r} cannot be subscribed to: {err}") from err
        return _Subscription(self._node, subscription, full)

    def service(self, name: str, type_name: str, handler: Callable[[Any], Mapping[str, Any]]) -> None:
        """See port.Graph."""

        def respond(request: Any, response: Any) -> Any:
            for field, value in (self._guarded(name, lambda asked: answer(handler, asked))(request) or {}).items():
                setattr(response, field, value)
            return response

        self._node.create_service(self.messages.require(type_name), name, respond)

    def timer(self, period_s: float, callback: Callable[[], None]) -> _Timer:
        """See port.Graph."""
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        return _Timer(self._node, self._node.create_timer(period_s, self._guarded("A timer", callback), clock=clock))

    def now_ns(self) -> int:
        """See port.Graph."""
        return int(self._node.get_clock().now().nanoseconds)

    def log(self, level: Level, text: str, *, once: bool = False, every_s: float = 0.0, key: str = "") -> None:
        """See port.Graph."""
        if not self._throttle.passes(key or text, once, every_s):
            return
        logger = self._node.get_logger()
        # rclpy remembers the level of each logging line, so every level needs its own line.
        if level == "debug":
            logger.debug(text)
        elif level == "info":
            logger.info(text)
        elif level == "warn":
            logger.warning(text)
        else:
            logger.error(text)

    def endpoints(self) -> list[Endpoint]:
        """See port.Graph."""
        found = []
        for topic, _ in self._node.get_topic_names_and_types():
            for publishes, infos in (
                (True, self._node.get_publishers_info_by_topic(topic)),
                (False, self._node.get_subscriptions_info_by_topic(topic)),
            ):
                for info in infos:
                    node = f"{info.node_namespace.rstrip('/')}/{info.node_name}"
                    found.append(Endpoint(topic, info.topic_type, node, publishes, _qos(info.qos_profile)))
        return found

    def spin(self, node: Node) -> None:
        """See port.Graph."""
        self._node.served = node
        with signals(self.shutdown):
            if self._parameters.graph.autostart:
                success = TransitionCallbackReturn.SUCCESS
                if self._node.trigger_configure() == success:
                    self._node.trigger_activate()
            while not (self._stopped.is_set() or self._node.finished) and self._context.ok():
                self.spin_once(PATIENCE_S)
            if self._context.ok() and not self._node.finished:
                self._node.trigger_shutdown()

    def spin_once(self, patience_s: float = 0.0) -> None:
        """Run due callbacks, after waiting at most `patience_s` seconds."""
        try:
            self._executor.spin_once(timeout_sec=patience_s)
        except ExternalShutdownException:
            self._stopped.set()

    def shutdown(self) -> None:
        """See port.Graph."""
        self._stopped.set()
        self._executor.wake()

    def close(self) -> None:
        """See port.Graph."""
        self._executor.shutdown()
        self._node.destroy_node()
        self._context.try_shutdown()

    def _declare(self, parameter: Parameter, value: Any) -> None:
        descriptor = make_descriptor(self.messages, parameter)
        self._node.declare_parameter(parameter.name, value, descriptor, ignore_override=True)

    def _on_set(self, changed: Sequence[Any]) -> Any:
        """Validate by our own rules; parameters that rclpy declared are not ours to judge."""
        known = self._parameters.values
        try:
            self._parameters.change({item.name: item.value for item in changed if item.name in known})
        except Exception as err:  # noqa: BLE001 - whoever asked reads it
            return SetParametersResult(successful=False, reason=describe(err, "The change"))
        return SetParametersResult(successful=True)

    def _guarded(self, doing: str, callback: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap `callback` to log what it raises, which would end rclpy's executor."""

        def call(*arguments: Any) -> Any:
            try:
                return callback(*arguments)
            except Exception as err:  # noqa: BLE001 - a node must outlive one bad message
                self.log("error", describe(err, doing), every_s=1.0)
                return None

        return call


def _profile(qos: Qos) -> Any:
    return QoSProfile(
        depth=qos.depth,
        reliability=QoSReliabilityPolicy.RELIABLE if qos.reliable else QoSReliabilityPolicy.BEST_EFFORT,
        durability=QoSDurabilityPolicy.TRANSIENT_LOCAL if qos.latched else QoSDurabilityPolicy.VOLATILE,
    )


def _qos(profile: Any) -> Qos:
    return Qos(
        depth=profile.depth,
        reliable=profile.reliability == QoSReliabilityPolicy.RELIABLE,
        latched=profile.durability == QoSDurabilityPolicy.TRANSIENT_LOCAL,
    )
