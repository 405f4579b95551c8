"""The port to ROS 2: what a node may ask of a graph, and nothing of any middleware.

A node takes a ``Graph`` and creates what it needs; ``graph.spin(node)`` brings it up and runs it. Adapters: ``rclpy``
(inside a ROS 2 workspace), ``dds`` (no ROS installation) and ``fake`` (in one process, for tests).

Threads: all callbacks run one after the other on the thread that called spin(). ``Publisher.publish``,
``Publisher.subscriptions``, ``now_ns``, ``log`` and ``shutdown`` may be called from any thread, the rest only
from that one. A callback that raises is logged with its reason; the graph goes on.

Messages are whatever the adapter's middleware takes (generated ROS classes, or rosbags' dataclasses), made by
``graph.messages.make`` and read by attribute; a number array is given as ``pack(array)`` and read with ``np.asarray``.
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
    """One publisher or subscriber somewhere on the graph.

    topic: full name. type: 'sensor_msgs/msg/Image'. node: full name, '' if it does not say.
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
        """A message with these fields set, the others zero or empty; GraphError if the type is not installed."""
        ...

    def pack(self, values: NDArray[Any]) -> Any:
        """A number array (any shape, flattened in C order) as a message's field; a copy only if need be."""
        ...


class Publisher(Protocol):
    """One topic out."""

    @property
    def topic(self) -> str:
        """Full name, remapping done."""
        ...

    @property
    def subscriptions(self) -> int:
        """How many listen now; cheap, ask it for every frame."""
        ...

    def publish(self, message: Any) -> None:
        """Send a message, or its CDR bytes with encapsulation header."""
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
        """Hear no more; may be called again."""
        ...


class Timer(Protocol):
    """A callback that returns."""

    def cancel(self) -> None:
        """No further call; may be called again."""
        ...


class Node(Protocol):
    """What spin() runs. Parameters are declared in the constructor; the rest happens here, in this order.

    A step that cannot be done raises a BodysegError: ``dds`` and ``fake`` pass it on to spin()'s caller after
    cleanup(), ``rclpy`` logs its sentence and answers FAILURE to the transition.
    """

    def configure(self) -> None:
        """Load the model, make publishers; take no frame yet."""
        ...

    def activate(self) -> None:
        """Subscribe, start threads and timers."""
        ...

    def deactivate(self) -> None:
        """Undo activate()."""
        ...

    def cleanup(self) -> None:
        """Undo configure(), as far as it came."""
        ...


class Graph(Protocol):
    """One node's place on the ROS graph. Names are read the ROS way: 'image' (relative), '~/mask' (under the
    node), '/diagnostics' (absolute), then remapped.
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
        """The message types there are."""
        ...

    @property
    def overrides(self) -> Mapping[str, Any]:
        """Parameters given by file and argument, dotted names, declared or not; the graph's own ones left out."""
        ...

    def declare(self, parameters: Sequence[Parameter]) -> dict[str, Any]:
        """Declare all of a node's parameters, once, and return their starting values by name.

        Raises SettingsError for an override nobody declared, or one of a wrong type or outside its range.
        """
        ...

    def on_change(self, callback: Callable[[dict[str, Any]], None]) -> None:
        """Call `callback` with the changed values (live ones only) before they are taken; if it raises
        SettingsError none is taken, and whoever asked reads the sentence.
        """
        ...

    def set_parameters(self, values: Mapping[str, Any]) -> None:
        """Change declared parameters, all or none; SettingsError if one is refused."""
        ...

    def publisher(self, topic: str, type_name: str, qos: Qos = RELIABLE) -> Publisher:
        """Offer a topic; GraphError if the name or type is wrong. `qos` may be overridden by parameters."""
        ...

    def subscribe(
        self, topic: str, type_name: str, qos: Qos, callback: Callable[[Any], None], *, raw: bool = False
    ) -> Subscription:
        """Hear a topic; `raw`: as CDR bytes, of any type. `qos` may be overridden by parameters."""
        ...

    def service(self, name: str, type_name: str, handler: Callable[[Any], Mapping[str, Any]]) -> None:
        """Answer requests: `handler` takes the request message and returns the response's fields; where it raises
        a BodysegError, the response's success is false and its message that sentence.
        """
        ...

    def timer(self, period_s: float, callback: Callable[[], None]) -> Timer:
        """Call back every `period_s` seconds of real time; missed calls are not made up for."""
        ...

    def now_ns(self) -> int:
        """ROS time, nanoseconds since 1970; that of /clock under use_sim_time."""
        ...

    def log(self, level: Level, text: str, *, once: bool = False, every_s: float = 0.0, key: str = "") -> None:
        """Say something; `once` ever, or once in `every_s` seconds, per `key` (default: the text)."""
        ...

    def endpoints(self) -> list[Endpoint]:
        """Every publisher and subscriber seen on the graph so far, this node's among them."""
        ...

    def spin(self, node: Node) -> None:
        """Configure and activate the node, serve callbacks until shutdown() or SIGINT or SIGTERM, then deactivate
        it and clean up. Without `autostart` the steps wait for lifecycle transitions instead. Everybody may read and
        set the parameters and ask for transitions meanwhile, by the services that rclpy's lifecycle nodes have.
        """
        ...

    def shutdown(self) -> None:
        """End spin(), from any thread or callback."""
        ...

    def close(self) -> None:
        """Leave the graph; after spin(), on the same thread."""
        ...
