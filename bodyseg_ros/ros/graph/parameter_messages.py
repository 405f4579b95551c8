"""Convert parameters and their values to rcl_interfaces messages and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from ...settings import Parameter
from .port import Messages

__all__ = ["make_descriptor", "make_parameter", "make_value", "read_value", "type_number"]

#: rcl_interfaces/msg/ParameterType by our names of types.
_TYPES: Final[Mapping[str, int]] = {
    "bool": 1,
    "int": 2,
    "float": 3,
    "str": 4,
    "bool_list": 6,
    "int_list": 7,
    "float_list": 8,
    "str_list": 9,
}
#: The field of a ParameterValue that holds each type's value.
_FIELDS: Final[Mapping[int, str]] = {
    1: "bool_value",
    2: "integer_value",
    3: "double_value",
    4: "string_value",
    5: "byte_array_value",
    6: "bool_array_value",
    7: "integer_array_value",
    8: "double_array_value",
    9: "string_array_value",
}
_DTYPES: Final[Mapping[str, type]] = {"bool_list": np.bool_, "int_list": np.int64, "float_list": np.float64}


def type_number(parameter: Parameter) -> int:
    """Return the parameter's number in rcl_interfaces/msg/ParameterType."""
    return _TYPES[parameter.kind]


def make_value(messages: Messages, parameter: Parameter, value: Any) -> Any:
    """Make an rcl_interfaces/msg/ParameterValue."""
    number, dtype = type_number(parameter), _DTYPES.get(parameter.kind)
    packed = messages.pack(np.array(value, dtype)) if dtype else value
    return messages.make("rcl_interfaces/msg/ParameterValue", type=number, **{_FIELDS[number]: packed})


def make_parameter(messages: Messages, parameter: Parameter, value: Any) -> Any:
    """Make an rcl_interfaces/msg/Parameter."""
    made = make_value(messages, parameter, value)
    return messages.make("rcl_interfaces/msg/Parameter", name=parameter.name, value=made)


def read_value(message: Any) -> Any:
    """Read an rcl_interfaces/msg/ParameterValue; None if it is not set."""
    if message.type not in _FIELDS:
        return None
    value = getattr(message, _FIELDS[message.type])
    return np.asarray(value).tolist() if message.type in (5, 6, 7, 8) else value


def make_descriptor(messages: Messages, parameter: Parameter) -> Any:
    """Make an rcl_interfaces/msg/ParameterDescriptor."""
    return messages.make(
        "rcl_interfaces/msg/ParameterDescriptor",
        name=parameter.name,
        type=type_number(parameter),
        description=parameter.description,
        additional_constraints=parameter.allowed,
        read_only=not parameter.live,
        # An empty list has no type, integers count as floats, and some parameters take a name or a number; our rules
        # validate the value.
        dynamic_typing=parameter.kind.endswith("_list") or parameter.kind == "float" or bool(parameter.choices),
        **_limits(messages, parameter),
    )


def _limits(messages: Messages, parameter: Parameter) -> dict[str, Any]:
    low, high = parameter.minimum, parameter.maximum
    if parameter.kind not in ("int", "float") or (low is None and high is None):
        return {}
    if parameter.kind == "int":
        whole = (-(2**63) if low is None else int(low), 2**63 - 1 if high is None else int(high))
        made = messages.make("rcl_interfaces/msg/IntegerRange", from_value=whole[0], to_value=whole[1], step=0)
        return {"integer_range": [made]}
    most = float(np.finfo(np.float64).max)
    bounds = (-most if low is None else low, most if high is None else high)
    made = messages.make("rcl_interfaces/msg/FloatingPointRange", from_value=bounds[0], to_value=bounds[1], step=0.0)
    return {"floating_point_range": [made]}
