"""The port to ROS 2: what a node may ask of a graph, independent of the middleware.

A node takes a ``Graph`` and creates what it needs; ``graph.spin(node)`` configures and runs it. Adapters: ``rclpy``
(inside a ROS 2 workspace), ``dds`` and ``zenoh`` (no ROS installation) and ``fake`` (in one process, for tests).

Threads: all callbacks run one after the other on the thread that called spin(). ``Publisher.publish``,
``Publisher.subscriptions``, ``now_ns``, ``log`` and ``shutdown`` may be called from any thread, everything else only
from that one. An exception in a callback is logged; the graph goes on.

Messages are the adapter's own (generated ROS classes, or rosbags' dataclasses), made by ``graph.messages.make`` and
read by attribute. Number arrays are set with ``pack(array)`` and read with ``np.asarray``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from numpy.typing import NDArray

from ...settings import Parameter
from .qos import RELIABLE, Qos

__all__ = [
    "Endpoint",
    "Graph",
    "Level",
    "Messages",
    "Node",
    "Publisher",
    "Subscription",
    "Timer",
]

Level = Literal["debug", "info", "warn", "error"]


@dataclass(frozen=True)
class Endpoint:
    """One publisher or subscriber on the graph.

    topic: full name. type: 'sensor_msgs/msg/Image'. node: full name, '' if unknown.
    """

    topic: str
    type: str
    node: str
    publishes: bool
    qos: Qos


class Messages(Protocol):
    """Makes messages by type name, such as 'sensor_msgs/msg/Image'."""

    def knows(self, type_name: str) -> bool:
        """Whether the type is installed; vision_msgs may be missing under rclpy."""
        ...

    def make(self, type_name: str, **fields: Any) -> Any:
        """Make a message with these fields; all others are zero or empty. GraphError if the type is not installed."""
        ...

    def pack(self, values: NDArray[Any]) -> Any:
        """Convert a number array (any shape, flattened in C order) to a message field; copies only if needed."""
        ...


class Publisher(Protocol):
    """One topic out."""

    @property
    def topic(self) -> str:
        """Full name after remapping."""
        ...

    @property
    def subscriptions(self) -> int:
        """Current number of subscribers; cheap enough for every frame."""
        ...

    def publish(self, message: Any) -> None:
        """Send a message, or its CDR bytes with encapsulation header."""
        ...

    def close(self) -> None:
        """Withdraw the topic; nothing may be published afterwards. Safe to call more than once."""
        ...


class Subscription(Protocol):
    """One topic in."""

    @property
    def topic(self) -> str:
        """Full name, remapping done."""
        ...

    @property
    def publishers(self) -> int:
        """How many speak now."""
        ...

    def close(self) -> None:
        """Unsubscribe. Safe to call more than once."""
        ...


class Timer(Protocol):
    """A callback that returns."""

    def cancel(self) -> None:
        """Stop calls. Safe to call more than once."""
        ...


class Node(Protocol):
    """What spin() runs.

    Parameters are declared in the constructor; the rest happens in these methods, in this order. A method that fails
    raises a BodysegError: ``dds``, ``zenoh`` and ``fake`` pass it to spin()'s caller after cleanup(), ``rclpy`` logs
    its message and answers FAILURE to the transition.
    """

    def configure(self) -> None:
        """Load the model and create publishers; take no frames yet."""
        ...

    def activate(self) -> None:
        """Subscribe; start threads and timers."""
        ...

    def deactivate(self) -> None:
        """Undo activate()."""
        ...

    def cleanup(self) -> None:
        """Undo configure() as far as it got."""
        ...


class Graph(Protocol):
    """One node's place on the ROS graph.

    Names are read as in ROS: 'image' (relative), '~/mask' (under the node), '/diagnostics' (absolute), then remapped.
    """

    @property
    def name(self) -> str:
        """The node's name without namespace, after remapping."""
        ...

    @property
    def namespace(self) -> str:
        """'/' or '/robot1'."""
        ...

    @property
    def messages(self) -> Messages:
        """The available message types."""
        ...

    @property
    def overrides(self) -> Mapping[str, Any]:
        """Parameters given by file and argument, by dotted name, declared or not, without the graph's own."""
        ...

    def declare(self, parameters: Sequence[Parameter]) -> dict[str, Any]:
        """Declare all parameters of a node, once, and return their starting values by name.

        Undeclared overrides, such as those that a launch file sets for several nodes, are logged and dropped from
        `overrides`. Raises SettingsError for one of a wrong type or out of range.
        """
        ...

    def on_change(self, callback: Callable[[dict[str, Any]], None]) -> None:
        """Call `callback` with changed values (live parameters only) before they are applied.

        If it raises SettingsError nothing is applied, and the caller of the service gets the message.
        """
        ...

    def set_parameters(self, values: Mapping[str, Any]) -> None:
        """Change declared parameters, all or none; SettingsError if one is rejected."""
        ...

    def publisher(self, topic: str, type_name: str, qos: Qos = RELIABLE) -> Publisher:
        """Create a publisher; GraphError for an invalid name or type. Parameters may override `qos`."""
        ...

    def subscribe(
        self, topic: str, type_name: str, qos: Qos, callback: Callable[[Any], None], *, raw: bool = False
    ) -> Subscription:
        """Create a subscription; `raw`: CDR bytes, any type. Parameters may override `qos`."""
        ...

    def service(self, name: str, type_name: str, handler: Callable[[Any], Mapping[str, Any]]) -> None:
        """Create a service.

        handler: takes the request message and returns the response's fields. If it raises a BodysegError, the
        response's success is false and its message is the error's.
        """
        ...

    def timer(self, period_s: float, callback: Callable[[], None]) -> Timer:
        """Call back every `period_s` seconds of real time; missed calls are skipped."""
        ...

    def now_ns(self) -> int:
        """ROS time, nanoseconds since 1970; the time of /clock under use_sim_time."""
        ...

    def log(self, level: Level, text: str, *, once: bool = False, every_s: float = 0.0, key: str = "") -> None:
        """Log a message: every time, `once`, or once per `every_s` seconds, by `key` (default: the text)."""
        ...

    def endpoints(self) -> list[Endpoint]:
        """All publishers and subscribers discovered so far, this node's included."""
        ...

    def spin(self, node: Node) -> None:
        """Configure and activate the node, run callbacks until shutdown(), SIGINT or SIGTERM, then deactivate it and
        clean up.

        Without `autostart` the transitions wait for lifecycle requests. Meanwhile parameters and transitions are
        available through the services of rclpy's lifecycle nodes.
        """
        ...

    def shutdown(self) -> None:
        """End spin(). Thread-safe."""
        ...

    def close(self) -> None:
        """Leave the graph; after spin(), on the same thread."""
        ...
