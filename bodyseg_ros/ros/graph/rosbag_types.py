"""Messages as rosbags' dataclasses, for the adapters without rclpy and for bags.

Types: rosbags' store of the distribution in ROS_DISTRO (default Jazzy), plus the .msg files of this package: its own
messages, hri_msgs, people_msgs, vision_msgs, video packets, and requests and responses of services.
"""

from __future__ import annotations

import os
import struct
import sys
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rosbags.interfaces import Nodetype
from rosbags.serde import SerdeError
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from ...errors import GraphError

__all__ = ["RosbagMessages", "typestore"]

_FOLDER = Path(__file__).parent / "definitions"
_MESSAGE_PACKAGES: Final = ("ffmpeg_image_transport_msgs", "foxglove_msgs", "hri_msgs", "people_msgs", "vision_msgs")
#: Types whose last field is `data`, a sequence of bytes.
_PICTURES: Final = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
_NO_DATA: Final = np.zeros(0, np.uint8)


def distribution() -> str:
    """Return ROS_DISTRO in lower case, default 'jazzy'. GraphError if rosbags does not know it."""
    name = os.environ.get("ROS_DISTRO", "").lower() or "jazzy"
    if f"ros2_{name}" not in {store.value for store in Stores}:
        raise GraphError(f"ROS_DISTRO is {name!r}, which is not a ROS 2 distribution with known message types.")
    return name


@lru_cache(maxsize=4)
def typestore(distro: str) -> Typestore:
    """All message types known without a ROS installation."""
    store = get_typestore(Stores(f"ros2_{distro}"))
    ours = _FOLDER / "bodyseg_ros"
    folders = {
        **{f"{package}/msg": _FOLDER / package for package in _MESSAGE_PACKAGES},
        **{f"{package}/srv": _FOLDER / package for package in ("std_srvs", "rcl_interfaces", "lifecycle_msgs")},
        # Installed beside the others; in a checkout, the folder that colcon builds from.
        "bodyseg_ros/msg": ours if ours.is_dir() else Path(__file__).parents[3] / "msg",
    }
    store.register(
        {
            f"{package}/{path.stem}": _definition(path)
            for package, folder in folders.items()
            for path in sorted(folder.glob("*.msg"))
        }
    )
    return store


def _definition(path: Path) -> Any:
    """Parse constants and fields of a .msg file; names without a package belong to the file's package."""
    package = "bodyseg_ros" if path.parent.name == "msg" else path.parent.name
    (definition,) = get_types_from_msg(path.read_text(encoding="utf-8"), f"{package}/msg/{path.stem}").values()
    return definition


class RosbagMessages:
    """Makes, packs and (de)serializes messages of a type store."""

    def __init__(self, store: Typestore | None = None) -> None:
        self.store = store or typestore(distribution())

    def knows(self, type_name: str) -> bool:
        """See port.Messages."""
        return type_name in self.store.fielddefs

    def make(self, type_name: str, **fields: Any) -> Any:
        """See port.Messages."""
        self.require(type_name)
        _, described = self.store.fielddefs[type_name]
        unknown = fields.keys() - {name for name, _ in described}
        if unknown:
            raise GraphError(f"{type_name} has no field {', '.join(sorted(unknown))}.")
        values = {name: fields[name] if name in fields else self._empty(description) for name, description in described}
        return self.store.types[type_name](**values)

    def pack(self, values: NDArray[Any]) -> Any:
        """See port.Messages."""
        return np.ascontiguousarray(values).reshape(-1)

    def require(self, type_name: str) -> None:
        """Raise GraphError for an unknown type."""
        if not self.knows(type_name):
            raise GraphError(f"Unknown message type {type_name!r}.")

    def serialize(self, message: Any, type_name: str) -> bytes:
        """Serialize a message to CDR bytes with encapsulation header; image data are copied once."""
        try:
            if type_name in _PICTURES and isinstance(message.data, np.ndarray) and message.data.dtype == np.uint8:
                head = self.store.serialize_cdr(replace(message, data=_NO_DATA), type_name)
                # The data come last, after their length in four bytes.
                data = np.ascontiguousarray(message.data)
                return b"".join((head[:-4], data.size.to_bytes(4, sys.byteorder), data.data))
            return bytes(self.store.serialize_cdr(message, type_name))
        except (SerdeError, AttributeError, TypeError, ValueError, struct.error) as err:
            raise GraphError(f"This is not a {type_name}: {err}") from err

    def deserialize(self, data: bytes, type_name: str) -> Any:
        """Deserialize CDR bytes; number arrays are read-only views."""
        try:
            return self.store.deserialize_cdr(data, type_name)
        except (SerdeError, struct.error) as err:
            raise GraphError(f"A message of type {type_name} is damaged: {err}") from err

    def type_hash(self, type_name: str) -> str:
        """Return 'RIHS01_…' of a message or service (REP 2016), used in Zenoh's keys and DDS user data."""
        if "/srv/" in type_name and type_name not in self.store.fielddefs:
            self._describe_service(type_name)
        return self.store.hash_rihs01(type_name)

    def _describe_service(self, service: str) -> None:
        """Add the types that a service's hash covers: request, response and event."""
        described: Any = self.store.fielddefs
        name, sequence, base, array = Nodetype.NAME, Nodetype.SEQUENCE, Nodetype.BASE, Nodetype.ARRAY
        # service_msgs has char[16] here, which ROS hashes as uint8 and rosbags as a type of its own.
        info = [
            (field, (array, ((base, ("uint8", 0)), 16))) if field == "client_gid" else (field, description)
            for field, description in described["service_msgs/msg/ServiceEventInfo"][1]
        ]
        described["service_msgs/msg/ServiceEventInfo"] = ([], info)
        parts = [f"{service}_Request", f"{service}_Response", f"{service}_Event"]
        event: list[Any] = [("info", (name, "service_msgs/msg/ServiceEventInfo"))]
        event += [(n, (sequence, ((name, part), 1))) for n, part in zip(("request", "response"), parts, strict=False)]
        described[parts[2]] = ([], event)
        fields = zip(("request_message", "response_message", "event_message"), parts, strict=True)
        described[service] = ([], [(field, (name, part)) for field, part in fields])

    def _empty(self, description: Any) -> Any:
        """Return zero, '' or an empty list, by the field's description."""
        node, detail = description
        if node == Nodetype.NAME:
            return self.make(detail)
        if node == Nodetype.BASE:
            return "" if detail[0] == "string" else _DTYPES[detail[0]].type(0).item()
        (inner_node, inner), length = detail
        count = length if node == Nodetype.ARRAY else 0
        if inner_node == Nodetype.NAME:
            return [self.make(inner) for _ in range(count)]
        return [""] * count if inner[0] == "string" else np.zeros(count, _DTYPES[inner[0]])


_NUMBERS = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64")
_DTYPES = {name: np.dtype(name) for name in _NUMBERS} | {"byte": np.dtype("uint8"), "char": np.dtype("uint8")}
