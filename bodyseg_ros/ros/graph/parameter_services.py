"""The six parameter services of a node, and /parameter_events.

They answer like rclpy's (7.1, ``parameter_service.py``); rclpy serves its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from ...settings import Parameter
from .failures import describe
from .headers import make_time
from .node_parameters import Parameters
from .parameter_messages import make_descriptor, make_parameter, make_value, read_value, type_number
from .port import Graph
from .qos import Qos

__all__ = ["ParameterServices", "selected"]

#: rmw_qos_profile_parameter_events.
_EVENTS: Final = Qos(depth=1000)


class ParameterServices:
    """See the module. All calls come from the graph's thread."""

    def __init__(self, graph: Graph, parameters: Parameters) -> None:
        self._graph, self._parameters = graph, parameters
        self._events = graph.publisher("/parameter_events", "rcl_interfaces/msg/ParameterEvent", _EVENTS)
        kind = "rcl_interfaces/srv/"
        graph.service("~/list_parameters", f"{kind}ListParameters", self._list)
        graph.service("~/describe_parameters", f"{kind}DescribeParameters", self._describe)
        graph.service("~/get_parameters", f"{kind}GetParameters", self._get)
        graph.service("~/get_parameter_types", f"{kind}GetParameterTypes", self._get_types)
        graph.service("~/set_parameters", f"{kind}SetParameters", self._set)
        graph.service("~/set_parameters_atomically", f"{kind}SetParametersAtomically", self._set_atomically)
        self._tell("new_parameters", self._parameters.described)

    def tell(self, changed: Iterable[str]) -> None:
        """Publish the new values of these parameters."""
        self._tell("changed_parameters", changed)

    def _tell(self, field: str, names: Iterable[str]) -> None:
        messages, parameters = self._graph.messages, self._parameters
        event = messages.make(
            "rcl_interfaces/msg/ParameterEvent",
            stamp=make_time(messages, self._graph.now_ns()),
            node=f"{self._graph.namespace.rstrip('/')}/{self._graph.name}",
            **{field: [make_parameter(messages, parameters.described[name], parameters.value(name)) for name in names]},
        )
        self._events.publish(event)

    def _list(self, request: Any) -> dict[str, Any]:
        names = selected(self._parameters.described, request.prefixes, request.depth)
        prefixes = sorted({name.rpartition(".")[0] for name in names if "." in name})
        make = self._graph.messages.make
        return {"result": make("rcl_interfaces/msg/ListParametersResult", names=names, prefixes=prefixes)}

    def _describe(self, request: Any) -> dict[str, Any]:
        return {"descriptors": [make_descriptor(self._graph.messages, one) for one in self._asked(request.names)]}

    def _get(self, request: Any) -> dict[str, Any]:
        messages, value = self._graph.messages, self._parameters.value
        return {"values": [make_value(messages, one, value(one.name)) for one in self._asked(request.names)]}

    def _get_types(self, request: Any) -> dict[str, Any]:
        types = np.array([type_number(one) for one in self._asked(request.names)], np.uint8)
        return {"types": self._graph.messages.pack(types)}

    def _asked(self, names: Sequence[str]) -> list[Parameter]:
        """Return no values at all if one parameter is missing, as rclpy does."""
        described = self._parameters.described
        return [described[name] for name in names] if all(name in described for name in names) else []

    def _set(self, request: Any) -> dict[str, Any]:
        return {"results": [self._change([parameter]) for parameter in request.parameters]}

    def _set_atomically(self, request: Any) -> dict[str, Any]:
        return {"result": self._change(request.parameters)}

    def _change(self, asked: Sequence[Any]) -> Any:
        reason = ""
        try:
            self._graph.set_parameters({one.name: read_value(one.value) for one in asked})
        except Exception as err:  # noqa: BLE001 - whoever asked reads it
            reason = describe(err, "The change")
        make = self._graph.messages.make
        return make("rcl_interfaces/msg/SetParametersResult", successful=not reason, reason=reason)


def selected(described: Mapping[str, Parameter], prefixes: Sequence[str], depth: int) -> list[str]:
    """List names under one of the prefixes (none: all), at most `depth` parts below it; 0: any depth."""
    if not prefixes:
        return [name for name in described if not depth or name.count(".") < depth]

    def under(name: str, prefix: str) -> bool:
        rest = name.removeprefix(f"{prefix}.")
        return name == prefix or (rest != name and (not depth or rest.count(".") < depth))

    return [name for name in described if any(under(name, prefix) for prefix in prefixes)]
