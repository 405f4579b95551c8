"""rmw_zenoh's names on the wire: keys of topics and services, liveliness tokens, QoS, attachments.

Source: ros2/rmw_zenoh, ``docs/design.md`` and ``rmw_zenoh_cpp/src/detail`` (``liveliness_utils.cpp``, ``qos.cpp``,
``attachment_helpers.cpp``), branches jazzy and rolling. Does not import Zenoh.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Final, Literal

from ...errors import GraphError
from .names import ros_type, wire_type
from .qos import Qos

__all__ = ["Attachment", "Token", "parse_token", "topic_key"]

Kind = Literal["NN", "MP", "MS", "SS", "SC"]
"""Node, publisher (message), subscription, service server, service client."""

_SPACE: Final = "@ros2_lv"
#: rmw_qos_reliability_policy_t, rmw_qos_durability_policy_t. rmw_zenoh omits its defaults: reliable, volatile, keep
#: last 42.
_BEST_EFFORT, _TRANSIENT_LOCAL, _DEFAULT_DEPTH = "2", "1", 42
_ATTACHMENT: Final = struct.Struct("<qqB16s")
GID_BYTES: Final = 16


def topic_key(domain: int, name: str, type_name: str, type_hash: str) -> str:
    """Return the key of a topic or service.

    type_hash: 'RIHS01_…', or '*' for a subscriber that does not know the type.
    """
    wire_name = "*" if type_name == "*" else wire_type(type_name)
    return f"{domain}/{name.strip('/')}/{wire_name}/{type_hash}"


def _mangle(name: str) -> str:
    """Replace slashes, which separate keys, by '%'."""
    return name.replace("/", "%")


@dataclass(frozen=True)
class Token:
    """One entity of the graph, as in its liveliness token.

    session: its Zenoh id. node_id, entity_id: numbers within the session. topic: full name; topic, type and hash are ''
    for a node.
    """

    domain: int
    session: str
    node_id: int
    entity_id: int
    kind: Kind
    namespace: str
    node: str
    topic: str = ""
    type: str = ""
    type_hash: str = ""
    qos: Qos = field(default_factory=Qos)

    @property
    def key(self) -> str:
        """Key expression of the token."""
        own = f"{_SPACE}/{self.domain}/{self.session}/{self.node_id}/{self.entity_id}/{self.kind}"
        node = f"%/{_mangle(self.namespace)}/{_mangle(self.node)}"
        if self.kind == "NN":
            return f"{own}/{node}"
        return f"{own}/{node}/{_mangle(self.topic)}/{wire_type(self.type)}/{self.type_hash}/{_encode_qos(self.qos)}"

    @property
    def node_name(self) -> str:
        """The node's full name."""
        return f"{self.namespace.rstrip('/')}/{self.node}"


def parse_token(key: str) -> Token:
    """Parse a token. Raises GraphError for an invalid key."""
    parts = key.split("/")
    try:
        space, domain, session, node_id, entity_id, kind, _, namespace, node, *rest = parts
        if space != _SPACE or kind not in ("NN", "MP", "MS", "SS", "SC") or (kind != "NN" and len(rest) < 4):
            raise ValueError("it has other parts")
        topic, wire_name, type_hash, qos = (*rest[:4],) if kind != "NN" else ("", "", "", "")
        return Token(
            int(domain), session, int(node_id), int(entity_id), kind,  # type: ignore[arg-type]  # checked above
            namespace.replace("%", "/"), node.replace("%", "/"), topic.replace("%", "/"),
            ros_type(wire_name.replace("%", "/")), type_hash.replace("%", "/"),
            _decode_qos(qos) if qos else Qos(),
        )  # fmt: skip
    except ValueError as err:
        raise GraphError(f"The liveliness token {key[:200]!r} is not rmw_zenoh's: {err}.") from err


def _encode_qos(qos: Qos) -> str:
    """Write reliability:durability:history,depth:deadline:lifespan:liveliness, each empty if it is the default."""
    reliability = "" if qos.reliable else _BEST_EFFORT
    durability = _TRANSIENT_LOCAL if qos.latched else ""
    depth = "" if qos.depth == _DEFAULT_DEPTH else str(qos.depth)
    return f"{reliability}:{durability}:,{depth}:,:,:,,"


def _decode_qos(text: str) -> Qos:
    reliability, durability, history, _, _, _ = text.split(":")
    depth = history.partition(",")[2]
    return Qos(
        depth=int(depth) if depth else _DEFAULT_DEPTH,
        reliable=reliability != _BEST_EFFORT,
        latched=durability == _TRANSIENT_LOCAL,
    )


@dataclass(frozen=True)
class Attachment:
    """The attachment of a message: sequence number from 1, send time, and the sender's gid (16 bytes)."""

    sequence: int
    stamp_ns: int
    gid: bytes

    def pack(self) -> bytes:
        """As bytes on the wire."""
        return _ATTACHMENT.pack(self.sequence, self.stamp_ns, GID_BYTES, self.gid)

    @classmethod
    def unpack(cls, data: bytes) -> Attachment:
        """Parse an attachment. Raises GraphError if it is invalid."""
        if len(data) != _ATTACHMENT.size or data[16] != GID_BYTES:
            raise GraphError(f"An attachment of {len(data)} bytes is not rmw_zenoh's, which has {_ATTACHMENT.size}.")
        sequence, stamp_ns, _, gid = _ATTACHMENT.unpack(data)
        return cls(sequence, stamp_ns, gid)
