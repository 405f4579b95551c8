"""The graph without ROS, on Cyclone DDS (wire protocol) and rosbags (message types).

Names on the wire follow https://design.ros2.org/articles/topic_and_service_names.html: topic `/a/b` is `rt/a/b`, type
`pkg/msg/Name` is `pkg::msg::dds_::Name_`. Node discovery (`ros_discovery_info`, type hash and enclave in USER_DATA)
follows rmw_dds_common 3.1 and rmw_cyclonedds_cpp 2.2 (Jazzy). Network settings: ROS_DOMAIN_ID, CYCLONEDDS_URI and those
in `discovery.py`; ROS_DISTRO names the peers' distribution.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from cyclonedds.builtin import BuiltinDataReader, BuiltinTopicDcpsPublication, BuiltinTopicDcpsSubscription
from cyclonedds.core import (
    DDSException,
    GuardCondition,
    InstanceState,
    ReadCondition,
    SampleState,
    ViewState,
    WaitSet,
)
from cyclonedds.idl import make_idl_struct
from cyclonedds.idl import types as idl_types
from cyclonedds.internal import InvalidSample
from cyclonedds.pub import DataWriter
from cyclonedds.qos import Policy
from cyclonedds.qos import Qos as DdsQos
from cyclonedds.sub import DataReader
from cyclonedds.topic import Topic
from rosbags.interfaces import Nodetype

from ...errors import GraphError
from .dds_domain import join_domain, leave_domain
from .failures import answer
from .local_graph import ROSOUT, LocalGraph, rosout_message
from .names import RosArguments, domain_id, ros_type, wire_type
from .port import Endpoint, Level
from .qos import LATCHED, RELIABLE, Qos
from .rosbag_types import RosbagMessages

__all__ = ["DdsGraph"]

idl: Any = idl_types  # its generics are created at run time
_DISCOVERY = "rmw_dds_common/msg/ParticipantEntitiesInfo"
_EVERYTHING = ViewState.Any | InstanceState.Any | SampleState.NotRead
_SERVICE = Qos(depth=10)
#: Numbers of DDS policies that can be incompatible: QosPolicyId_t of OMG DDS 1.4
_POLICY_NAMES = {2: "durability", 11: "reliability"}
#: Maximum wait for clients' readers to be discovered before a reply, s.
_CLIENT_PATIENCE_S = 0.1
#: Maximum wait for a slow reliable subscriber before a message is dropped.
_SEND_PATIENCE_S = 0.1


def _carry(struct: Any, /, data: bytes, **_: Any) -> Any:
    """A sample that carries CDR bytes instead of fields."""
    sample = struct.__new__(struct)
    sample.cdr = data
    return sample


class _Structs:
    """Creates IdlStruct classes by ROS type that carry CDR bytes.

    cyclonedds' own Python serializer takes a few hundred milliseconds for an image, rosbags' less than one. The fields
    are described for peers that compare types.
    """

    def __init__(self, messages: RosbagMessages) -> None:
        self._messages = messages
        self._made: dict[str, Any] = {}

    def get(self, type_name: str) -> Any:
        """Return the class of a type; without fields if the type is unknown here."""
        if type_name not in self._made:
            described = self._messages.store.fielddefs.get(type_name, ([], []))[1]
            fields = {name: self._field(description) for name, description in described} or {"data": idl.uint8}
            if "/srv/" in type_name:  # see DdsGraph.service
                fields = {"client_id": idl.uint64, "sequence_number": idl.int64} | fields
            name = type_name.split("/")[-1]
            struct: Any = make_idl_struct(name, wire_type(type_name), fields, dataclassify=False)
            struct.serialize = lambda sample, **_: sample.cdr
            struct.deserialize = struct.deserialize_key = classmethod(_carry)
            self._made[type_name] = struct
        return self._made[type_name]

    def _field(self, description: Any) -> Any:
        node, detail = description
        if node == Nodetype.NAME:
            return self.get(detail)
        if node == Nodetype.BASE:
            name, bound = detail
            if name == "string":
                return idl.bounded_str[bound] if bound else str
            return {"bool": bool, "char": idl.uint8}.get(name) or getattr(idl, name)
        inner, length = detail
        if node == Nodetype.ARRAY:
            return idl.array[self._field(inner), length]
        return idl.sequence[self._field(inner), length] if length else idl.sequence[self._field(inner)]


class _Publisher:
    """See port.Publisher."""

    def __init__(self, graph: DdsGraph, topic: str, type_name: str, writer: Any) -> None:
        self.topic, self._type_name, self._writer, self._graph = topic, type_name, writer, graph

    @property
    def subscriptions(self) -> int:
        """See port.Publisher."""
        return int(self._writer.get_publication_matched_status().current_count)

    def publish(self, message: Any) -> None:
        """See port.Publisher."""
        is_cdr = isinstance(message, bytes | bytearray | memoryview)
        cdr = bytes(message) if is_cdr else self._graph.messages.serialize(message, self._type_name)
        try:
            self._writer.write(self._writer.data_type.deserialize(cdr))
        except DDSException as err:
            if err.code != DDSException.DDS_RETCODE_TIMEOUT:
                raise GraphError(f"Nothing can be published on {self.topic}: {err}") from err
            self._graph.log(
                "warn",
                f"A subscriber of {self.topic} reads too slowly; a message was dropped. Use best effort in the "
                "subscriber, or set qos_overrides here.",
                every_s=10.0,
            )

    def close(self) -> None:
        """See port.Publisher."""
        if self._writer is not None:
            self._writer = None  # the DDS entity is destroyed with its last reference
            self._graph.withdraw(f"rt{self.topic}")


class _Subscription:
    """See port.Subscription."""

    def __init__(self, graph: DdsGraph, topic: str, reader: Any, callback: Callable[[bytes], None], depth: int) -> None:
        self.topic, self.callback, self._graph = topic, callback, graph
        self._depth = min(depth, 100)
        self.reader = reader
        self.condition = ReadCondition(reader, _EVERYTHING)

    @property
    def publishers(self) -> int:
        """See port.Subscription."""
        return int(self.reader.get_subscription_matched_status().current_count)

    def close(self) -> None:
        """See port.Subscription."""
        self._graph.forget(self)

    def take(self) -> list[bytes]:
        """Take new samples; notices that a writer left are skipped."""
        samples = self.reader.take(self._depth, condition=self.condition)
        return [sample.cdr for sample in samples if not isinstance(sample, InvalidSample)]

    def leave(self) -> None:
        """Release the DDS entities; they are destroyed with their last reference."""
        del self.condition, self.reader


class DdsGraph(LocalGraph):
    """See port.Graph. Raises GraphError if the domain cannot be joined."""

    messages: RosbagMessages

    def __init__(self, arguments: RosArguments) -> None:
        super().__init__(arguments, RosbagMessages())
        self._structs = _Structs(self.messages)
        self._domain = domain_id()
        self.participant = join_domain(self._domain)
        self._writers: dict[str, Any] = {}
        self._subscriptions: list[_Subscription] = []
        self._watcher: _Watcher | None = None
        self._waitset, self._guard = WaitSet(self.participant), GuardCondition(self.participant)
        self._waitset.attach(self._guard)
        self._card = DataWriter(
            self.participant, self.topic("ros_discovery_info", _DISCOVERY), self.dds_qos(LATCHED, _DISCOVERY)
        )
        self._rosout = self.publisher("/rosout", "rcl_interfaces/msg/Log", ROSOUT)
        self.timer(1.0, self._report_mismatches)
        self._follow_clock()

    def publisher(self, topic: str, type_name: str, qos: Qos = RELIABLE) -> _Publisher:
        """See port.Graph."""
        name, qos = self.resolve_topic(topic, type_name, qos, "publisher")
        return _Publisher(self, name, type_name, self._writer(f"rt{name}", type_name, qos))

    def subscribe(
        self, topic: str, type_name: str, qos: Qos, callback: Callable[[Any], None], *, raw: bool = False
    ) -> _Subscription:
        """See port.Graph."""
        name, qos = self.resolve_topic(topic, type_name, qos, "subscription", raw=raw)

        def take(cdr: bytes) -> None:
            callback(cdr if raw else self.messages.deserialize(cdr, type_name))

        return self._listen(f"rt{name}", type_name, qos, take)

    def service(self, name: str, type_name: str, handler: Callable[[Any], Mapping[str, Any]]) -> None:
        """See port.Graph. Reachable only for peers under rmw_cyclonedds_cpp.

        There a request or reply starts with 16 bytes, the client's id and a sequence number, which the reply repeats
        (rmw_cyclonedds_cpp 2.2 ``serdata.hpp``); Fast DDS sends them as inline QoS, which cyclonedds' Python API does
        not expose.
        """
        full, request, response = self.names.resolve(name), f"{type_name}_Request", f"{type_name}_Response"
        self.messages.require(request)
        writer = self._writer(f"rr{full}Reply", response, _SERVICE)

        def take(cdr: bytes) -> None:
            fields = answer(handler, self.messages.deserialize(cdr[:4] + cdr[20:], request))
            reply = self.messages.serialize(self.messages.make(response, **fields), response)
            wait_for_clients()
            writer.write(writer.data_type.deserialize(reply[:4] + cdr[4:20] + reply[4:]))

        def wait_for_clients() -> None:
            # A new client's request may arrive before its reply reader is discovered here, and replies are volatile.
            end = time.monotonic() + _CLIENT_PATIENCE_S
            while (
                writer.get_publication_matched_status().current_count
                < requests.reader.get_subscription_matched_status().current_count
            ) and time.monotonic() < end:
                time.sleep(0.002)

        requests = self._listen(f"rq{full}Request", request, _SERVICE, take)

    def endpoints(self) -> list[Endpoint]:
        """See port.Graph. The first call starts discovery, which takes a second or two."""
        if self._watcher is None:
            self._watcher = _Watcher(self)
        return self._watcher.endpoints()

    def forget(self, subscription: _Subscription) -> None:
        """Remove a subscription."""
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)
            self._waitset.detach(subscription.condition)
            subscription.leave()
            self._announce()

    def withdraw(self, wire_name: str) -> None:
        """Remove a writer."""
        del self._writers[wire_name]
        self._announce()

    def close(self) -> None:
        """See port.Graph."""
        for subscription in list(self._subscriptions):
            self.forget(subscription)
        leave_domain(self._domain, self.participant)

    def topic(self, wire_name: str, type_name: str) -> Topic[Any]:
        """Create a DDS topic."""
        return Topic(self.participant, wire_name, self._structs.get(type_name))

    def reader(self, wire_name: str, type_name: str, qos: Qos) -> Any:
        """Create a DDS reader."""
        return DataReader(self.participant, self.topic(wire_name, type_name), self.dds_qos(qos, type_name))

    def dds_qos(self, qos: Qos, type_name: str) -> DdsQos:
        """Build the QoS as rmw_cyclonedds_cpp does (``create_readwrite_qos``)."""
        known = self.messages.knows(type_name)
        type_hash = f"typehash={self.messages.type_hash(type_name)};" if known else ""
        history, patience = Policy.History.KeepLast(qos.depth), int(_SEND_PATIENCE_S * 1e9)
        return DdsQos(
            Policy.Reliability.Reliable(patience) if qos.reliable else Policy.Reliability.BestEffort,
            Policy.Durability.TransientLocal if qos.latched else Policy.Durability.Volatile,
            Policy.DurabilityService(0, history, -1, -1, -1),  # history for late joiners
            Policy.WriterDataLifecycle(autodispose=False),
            Policy.DataRepresentation(use_cdrv0_representation=True),
            Policy.Userdata(type_hash.encode()),
            history,
        )

    def _writer(self, wire_name: str, type_name: str, qos: Qos) -> Any:
        if wire_name in self._writers:
            raise GraphError(f"{wire_name[2:]} is already published by {self.names.full_name}.")
        topic = self.topic(wire_name, type_name)
        self._writers[wire_name] = DataWriter(self.participant, topic, self.dds_qos(qos, type_name))
        self._announce()
        return self._writers[wire_name]

    def _listen(self, wire_name: str, type_name: str, qos: Qos, take: Callable[[bytes], None]) -> _Subscription:
        subscription = _Subscription(self, wire_name[2:], self.reader(wire_name, type_name, qos), take, qos.depth)
        self._subscriptions.append(subscription)
        self._waitset.attach(subscription.condition)
        self._announce()
        return subscription

    def _announce(self) -> None:
        """Announce this node's readers and writers."""
        make = self.messages.make
        length = make("rmw_dds_common/msg/Gid").data.size  # 24 bytes on Humble, 16 after it

        def gid(entity: Any) -> Any:
            return make("rmw_dds_common/msg/Gid", data=np.frombuffer(entity.guid.bytes.ljust(length, b"\0"), np.uint8))

        node = make(
            "rmw_dds_common/msg/NodeEntitiesInfo",
            node_namespace=self.names.namespace,
            node_name=self.names.node,
            reader_gid_seq=[gid(subscription.reader) for subscription in self._subscriptions],
            writer_gid_seq=[gid(writer) for writer in self._writers.values()],
        )
        card = make(_DISCOVERY, gid=gid(self.participant), node_entities_info_seq=[node])
        self._card.write(self._card.data_type.deserialize(self.messages.serialize(card, _DISCOVERY)))

    def _report_mismatches(self) -> None:
        """Report incompatible QoS once per topic."""
        for name, writer in self._writers.items():
            status = writer.get_offered_incompatible_qos_status()
            self._report(name[2:], "A subscriber asks for more than is offered", status)
        for subscription in self._subscriptions:
            status = subscription.reader.get_requested_incompatible_qos_status()
            self._report(subscription.topic, "A publisher offers less than is asked for", status)

    def _report(self, topic: str, what: str, status: Any) -> None:
        if status.total_count_change > 0:
            policy = _POLICY_NAMES.get(status.last_policy_id, f"policy {status.last_policy_id}")
            self.log(
                "warn",
                f"{what} on {topic} ({policy}), so they do not connect; `bodyseg topics` shows both sides, "
                f"parameters qos_overrides.{topic}.… change ours.",
            )

    def _serve(self, timeout_s: float) -> None:
        self._waitset.wait(int(timeout_s * 1e9))
        for subscription in list(self._subscriptions):
            if subscription not in self._subscriptions:
                continue  # closed by an earlier callback
            for cdr in subscription.take():
                if self._stopped.is_set():
                    return  # a callback may take as long as a frame
                self._guarded(f"What came on {subscription.topic}", subscription.callback, cdr)

    def _wake(self) -> None:
        self._guard.set(True)

    def _said(self, level: Level, text: str) -> None:
        """Log, also on /rosout."""
        try:
            self._rosout.publish(rosout_message(self.messages, self.names, level, text))
        except GraphError as err:
            self._logger.debug("Nothing goes out on /rosout: %s", err)


class _Watcher:
    """List all publishers and subscribers with their node names."""

    def __init__(self, graph: DdsGraph) -> None:
        self._messages = graph.messages
        participant = graph.participant
        self._readers = (
            (True, BuiltinDataReader(participant, BuiltinTopicDcpsPublication)),
            (False, BuiltinDataReader(participant, BuiltinTopicDcpsSubscription)),
        )
        self._cards = graph.reader("ros_discovery_info", _DISCOVERY, Qos(depth=100, latched=True))
        self._seen: dict[bytes, Endpoint] = {}
        self._nodes: dict[bytes, dict[bytes, str]] = {}

    def endpoints(self) -> list[Endpoint]:
        """All there are now."""
        for publishes, reader in self._readers:
            for sample in reader.take(10_000):
                self._note(sample, publishes)
        for sample in self._cards.take(1_000):
            if not isinstance(sample, InvalidSample):
                self._name(self._messages.deserialize(sample.cdr, _DISCOVERY))
        owners = {gid: node for gids in self._nodes.values() for gid, node in gids.items()}
        found = [replace(endpoint, node=owners.get(gid, "")) for gid, endpoint in self._seen.items()]
        return sorted(found, key=lambda endpoint: (endpoint.topic, not endpoint.publishes, endpoint.node))

    def _note(self, sample: Any, publishes: bool) -> None:
        gone = sample.sample_info.instance_state != InstanceState.Alive
        if gone or not sample.topic_name.startswith("rt/"):
            self._seen.pop(sample.key.bytes, None)
            return
        self._seen[sample.key.bytes] = Endpoint(
            topic=sample.topic_name[2:],
            type=ros_type(sample.type_name),
            node="",
            publishes=publishes,
            qos=Qos(
                depth=0,  # is not told
                reliable=sample.qos[Policy.Reliability] != Policy.Reliability.BestEffort,
                latched=sample.qos[Policy.Durability] != Policy.Durability.Volatile,
            ),
        )

    def _name(self, card: Any) -> None:
        self._nodes[card.gid.data.tobytes()[:16]] = {
            gid.data.tobytes()[:16]: f"{node.node_namespace.rstrip('/')}/{node.node_name}"
            for node in card.node_entities_info_seq
            for gid in (*node.reader_gid_seq, *node.writer_gid_seq)
        }
