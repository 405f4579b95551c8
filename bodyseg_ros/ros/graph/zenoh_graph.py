"""The graph without ROS for peers under rmw_zenoh_cpp, on Zenoh (wire protocol) and rosbags (message types).

Network settings: ROS_DOMAIN_ID and rmw_zenoh's own variables (`zenoh_session.py`); ROS_DISTRO names the peers'
distribution. QoS is never incompatible: Zenoh delivers messages with any QoS.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from queue import Empty, SimpleQueue
from typing import Any, Final

import xxhash
import zenoh
import zenoh.ext

from ...errors import GraphError
from .failures import answer
from .local_graph import ROSOUT, LocalGraph, rosout_message
from .names import RosArguments, domain_id
from .port import Endpoint, Level
from .qos import RELIABLE, Qos
from .rosbag_types import RosbagMessages, distribution
from .zenoh_keys import GID_BYTES, Attachment, Kind, Token, parse_token, topic_key
from .zenoh_session import open_session

__all__ = ["ZenohGraph"]

_SERVICE: Final = Qos(depth=10)
#: Replaces the hash on Humble, which has none, and for types that are unknown here.
_NO_HASH: Final = "TypeHashNotSupported"
#: Maximum queue of a subscriber, at any QoS depth.
_MOST_KEPT: Final = 1000


def gid_of(token: Token) -> bytes:
    """Return an entity's 16-byte gid: XXH3-128 of its token, low half first (``liveliness_utils.cpp``)."""
    return xxhash.xxh3_128_intdigest(token.key.encode()).to_bytes(GID_BYTES, "little")


class _Publisher:
    """See port.Publisher."""

    def __init__(self, graph: ZenohGraph, token: Token) -> None:
        self.topic, self._graph, self._token = token.topic, graph, token
        self._gid, self._sequence, self._lock = gid_of(token), itertools.count(1), threading.Lock()
        key = topic_key(token.domain, token.topic, token.type, token.type_hash)
        block = zenoh.CongestionControl.BLOCK  # dropping would lose every message of more than one packet
        if token.qos.latched:
            cache = zenoh.ext.CacheConfig(max_samples=token.qos.depth)
            self._writer: Any = zenoh.ext.declare_advanced_publisher(
                graph.session, key, congestion_control=block, cache=cache, publisher_detection=True
            )
        else:
            self._writer = graph.session.declare_publisher(key, congestion_control=block)
        self._liveliness = graph.show(token)

    @property
    def subscriptions(self) -> int:
        """See port.Publisher."""
        return self._graph.count("MS", self.topic)

    def publish(self, message: Any) -> None:
        """See port.Publisher."""
        is_cdr = isinstance(message, bytes | bytearray | memoryview)
        cdr = bytes(message) if is_cdr else self._graph.messages.serialize(message, self._token.type)
        with self._lock:  # sequence numbers are sent in order
            attachment = Attachment(next(self._sequence), time.time_ns(), self._gid)
            try:
                self._writer.put(cdr, attachment=attachment.pack())
            except zenoh.ZError as err:
                raise GraphError(f"Nothing can be published on {self.topic}: {err}") from err

    def close(self) -> None:
        """See port.Publisher."""
        if self._writer is not None:
            self._writer.undeclare()
            self._liveliness.undeclare()
            self._writer = None
            self._graph.forget(self)


class _Subscription:
    """See port.Subscription. Zenoh's thread queues messages; the graph's thread delivers them."""

    def __init__(self, graph: ZenohGraph, token: Token, callback: Callable[[bytes], None]) -> None:
        self.topic, self.callback, self._graph = token.topic, callback, graph
        self._kept: deque[bytes] = deque(maxlen=min(token.qos.depth, _MOST_KEPT))
        # Raw subscriptions accept unknown types, with any hash.
        type_hash = token.type_hash if graph.messages.knows(token.type) else "*"
        key = topic_key(token.domain, token.topic, token.type, type_hash)
        if token.qos.latched:
            history = zenoh.ext.HistoryConfig(detect_late_publishers=True, max_samples=token.qos.depth)
            self._reader: Any = zenoh.ext.declare_advanced_subscriber(
                graph.session, key, self._keep, history=history, subscriber_detection=True
            )
        else:
            self._reader = graph.session.declare_subscriber(key, self._keep)
        self._liveliness = graph.show(token)

    @property
    def publishers(self) -> int:
        """See port.Subscription."""
        return self._graph.count("MP", self.topic)

    def close(self) -> None:
        """See port.Subscription."""
        if self._reader is not None:
            self._reader.undeclare()
            self._liveliness.undeclare()
            self._reader = None
            self._kept.clear()

    def take(self) -> bytes | None:
        """Remove and return the oldest queued message."""
        try:
            return self._kept.popleft()
        except IndexError:
            return None

    def _keep(self, sample: Any) -> None:
        self._kept.append(sample.payload.to_bytes())
        self._graph.ready(self._serve)

    def _serve(self) -> None:
        cdr = self.take()
        if cdr is not None:
            self.callback(cdr)


class ZenohGraph(LocalGraph):
    """See port.Graph. Raises GraphError if Zenoh cannot be opened with these variables."""

    messages: RosbagMessages

    def __init__(self, arguments: RosArguments) -> None:
        super().__init__(arguments, RosbagMessages())
        self._domain, self._numbers = domain_id(), itertools.count()
        self.session: Any = open_session()
        self._session_id = str(self.session.info.zid())
        self._ready: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._seen: dict[str, Token] = {}
        self._seen_lock = threading.Lock()
        self._watcher = self.session.liveliness().declare_subscriber(
            f"@ros2_lv/{self._domain}/**", self._note, history=True
        )
        self._entities: list[Any] = [self.show(self._token("NN", next(self._numbers)))]
        self._rosout = self.publisher("/rosout", "rcl_interfaces/msg/Log", ROSOUT)
        self._follow_clock()

    def publisher(self, topic: str, type_name: str, qos: Qos = RELIABLE) -> _Publisher:
        """See port.Graph."""
        name, qos = self.resolve_topic(topic, type_name, qos, "publisher")
        publisher = _Publisher(self, self._endpoint("MP", name, type_name, qos))
        self._entities.append(publisher)  # unreferenced entities are undeclared
        return publisher

    def forget(self, publisher: _Publisher) -> None:
        """Drop a publisher that was closed."""
        self._entities.remove(publisher)

    def subscribe(
        self, topic: str, type_name: str, qos: Qos, callback: Callable[[Any], None], *, raw: bool = False
    ) -> _Subscription:
        """See port.Graph."""
        name, qos = self.resolve_topic(topic, type_name, qos, "subscription", raw=raw)

        def take(cdr: bytes) -> None:
            def hand_over() -> None:
                callback(cdr if raw else self.messages.deserialize(cdr, type_name))

            self._guarded(f"What came on {name}", hand_over)

        subscription = _Subscription(self, self._endpoint("MS", name, type_name, qos), take)
        self._entities.append(subscription)
        return subscription

    def service(self, name: str, type_name: str, handler: Callable[[Any], Mapping[str, Any]]) -> None:
        """See port.Graph. A reply carries the request's number and its client's gid (``rmw_service_data.cpp``)."""
        full, request, response = self.names.resolve(name), f"{type_name}_Request", f"{type_name}_Response"
        self.messages.require(request)
        token = self._endpoint("SS", full, type_name, _SERVICE)
        key = topic_key(token.domain, full, type_name, token.type_hash)

        def serve(query: Any) -> None:
            asked = Attachment.unpack(query.attachment.to_bytes() if query.attachment else b"")
            fields = answer(handler, self.messages.deserialize(query.payload.to_bytes(), request))
            reply = self.messages.serialize(self.messages.make(response, **fields), response)
            query.reply(key, reply, attachment=Attachment(asked.sequence, time.time_ns(), asked.gid).pack())

        def take(query: Any) -> None:
            def work() -> None:
                with query:  # otherwise the client waits for ever
                    self._guarded(f"A request to {full}", serve, query)

            self.ready(work)

        self._entities += [self.session.declare_queryable(key, take, complete=True), self.show(token)]

    def endpoints(self) -> list[Endpoint]:
        """See port.Graph."""
        with self._seen_lock:
            tokens = [token for token in self._seen.values() if token.kind in ("MP", "MS")]
        found = [Endpoint(t.topic, t.type, t.node_name, t.kind == "MP", t.qos) for t in tokens]
        return sorted(found, key=lambda endpoint: (endpoint.topic, not endpoint.publishes, endpoint.node))

    def nodes(self) -> list[str]:
        """Full names of all nodes discovered so far, this one's included."""
        with self._seen_lock:
            return sorted({token.node_name for token in self._seen.values() if token.kind == "NN"})

    def count(self, kind: Kind, topic: str) -> int:
        """Number of entities of a kind on a topic."""
        with self._seen_lock:
            return sum(token.kind == kind and token.topic == topic for token in self._seen.values())

    def show(self, token: Token) -> Any:
        """Announce an entity until the returned token is undeclared."""
        return self.session.liveliness().declare_token(token.key)

    def ready(self, work: Callable[[], None]) -> None:
        """Queue work for the graph's thread. Thread-safe."""
        self._ready.put(work)

    def close(self) -> None:
        """See port.Graph."""
        self.session.close()

    def _token(self, kind: Kind, number: int, topic: str = "", type_name: str = "", qos: Qos = RELIABLE) -> Token:
        known = kind in ("SS", "SC") or self.messages.knows(type_name)
        type_hash = self.messages.type_hash(type_name) if known and distribution() != "humble" else _NO_HASH
        place = self._domain, self._session_id, 0, number
        return Token(*place, kind, self.names.namespace, self.names.node, topic, type_name, type_hash, qos)

    def _endpoint(self, kind: Kind, topic: str, type_name: str, qos: Qos) -> Token:
        return self._token(kind, next(self._numbers), topic, type_name, qos)

    def _note(self, sample: Any) -> None:
        """An entity was announced or removed; on Zenoh's thread."""
        key = str(sample.key_expr)
        with self._seen_lock:
            if sample.kind == zenoh.SampleKind.DELETE:
                self._seen.pop(key, None)
                return
            try:
                self._seen[key] = parse_token(key)
            except GraphError as err:
                self._logger.debug("%s", err)

    def _serve(self, timeout_s: float) -> None:
        try:
            work = self._ready.get(timeout=timeout_s)
            for _ in range(100):  # timers run in between
                work()
                work = self._ready.get_nowait()
        except Empty:
            pass

    def _wake(self) -> None:
        self.ready(lambda: None)

    def _said(self, level: Level, text: str) -> None:
        """Log, also on /rosout."""
        try:
            self._rosout.publish(rosout_message(self.messages, self.names, level, text))
        except GraphError as err:
            self._logger.debug("Nothing goes out on /rosout: %s", err)
