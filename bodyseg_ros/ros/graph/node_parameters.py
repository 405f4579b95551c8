"""A node's parameters, the same under every adapter: declared once, validated, changed all or none."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn

from ...errors import SettingsError, quote
from ...settings import (
    Parameter,
    Settings,
    build,
    parameters,
    require_live,
    start_only,
    unknown_parameter,
)

__all__ = ["GraphSettings", "Parameters"]


class GraphSettings(Settings):
    """Parameters of every node."""

    use_sim_time: bool = start_only(False, "Take the time from /clock, as simulators and bag players publish it.")
    autostart: bool = start_only(True, "Configure and activate at start; otherwise wait for lifecycle transitions.")


_TYPES: Mapping[str, type] = {"bool": bool, "int": int, "float": float, "str": str}


class Parameters:
    """Declared parameters and their values.

    overrides: values of files and arguments, declared or not.
    """

    def __init__(self, overrides: Mapping[str, Any]) -> None:
        self.values: dict[str, Any] = {}
        own = {name: value for name, value in overrides.items() if name in GraphSettings.model_fields}
        self.graph = build(GraphSettings, own)
        self.qos_overrides = {k: v for k, v in overrides.items() if k.startswith("qos_overrides.")}
        self.overrides = {k: _listed(v) for k, v in overrides.items() if not _is_graph_owned(k)}
        #: The graph's own parameters, then the node's.
        self.described: dict[str, Parameter] = {parameter.name: parameter for parameter in parameters(GraphSettings)}
        self._listener: Callable[[dict[str, Any]], None] = lambda values: None

    def declare(self, declared: Sequence[Parameter], warn: Callable[[str], None]) -> dict[str, Any]:
        """Starting values by name: the override, else the default; see Graph.declare().

        warn: takes a sentence for each override that is dropped because the node has no such parameter.
        """
        self.described |= {parameter.name: parameter for parameter in declared}
        for name in self.overrides.keys() - self.described.keys():
            warn(f"Ignored: {unknown_parameter(name, list(self.described))}")
            del self.overrides[name]
        for parameter in declared:
            self.values[parameter.name] = checked(parameter, self.overrides.get(parameter.name, parameter.default))
        return dict(self.values)

    def listen(self, callback: Callable[[dict[str, Any]], None]) -> None:
        """See Graph.on_change()."""
        self._listener = callback

    def checked(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Convert values to their parameters' types. Raises SettingsError for an unknown name or an invalid value."""
        return {name: checked(self._find(name), value) for name, value in values.items()}

    def value(self, name: str) -> Any:
        """Return the current value of a parameter of the node or of the graph itself."""
        return self.values[name] if name in self.values else getattr(self.graph, name)

    def change(self, values: Mapping[str, Any]) -> list[str]:
        """See Graph.set_parameters(). Returns the names of changed parameters."""
        new = self.checked(values)
        require_live(new, self.described.values(), "at start; start the node again")
        if new:
            self._listener(new)
        changed = [name for name, value in new.items() if value != self.values[name]]
        self.values |= new
        return changed

    def _find(self, name: str) -> Parameter:
        if name not in self.described:
            raise unknown_parameter(name, list(self.described))
        return self.described[name]


def _is_graph_owned(name: str) -> bool:
    return name in GraphSettings.model_fields or name.startswith(("qos_overrides.", "start_type_description_service"))


def _listed(value: Any) -> Any:
    """Return the list in a text that launch_ros (to Jazzy at least) makes of a list in SetParameter: a Python tuple."""
    if not (isinstance(value, str) and value.startswith("(") and value.endswith(")")):
        return value
    try:
        items = ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return value
    return list(items) if isinstance(items, tuple) else value


def checked(parameter: Parameter, value: Any) -> Any:
    """Convert `value` to the parameter's type: integers are accepted as numbers, numbers as strings.

    Raises SettingsError that names the parameter, quotes the value and says what is allowed.
    """
    if not parameter.kind.endswith("_list"):
        return _scalar(parameter, parameter.kind, value, value)
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        _refuse(parameter, value)
    return [_scalar(parameter, parameter.kind.removesuffix("_list"), item, value) for item in value]


def _scalar(parameter: Parameter, kind: str, item: Any, value: Any) -> Any:
    if kind == "float" and type(item) is int and abs(item) <= sys.float_info.max:
        item = float(item)
    if kind == "str" and type(item) in (int, float):
        item = str(item)
    if type(item) is not _TYPES[kind] or not _allows(parameter, item):
        _refuse(parameter, value)
    return item


def _allows(parameter: Parameter, item: Any) -> bool:
    """Whether `item` is one of the choices, or a number (or its text) within the bounds."""
    low, high = parameter.minimum, parameter.maximum
    if item in parameter.choices or (low is None and high is None):
        return item in parameter.choices or not parameter.choices
    try:
        number = float(item)
    except (ValueError, OverflowError):  # an integer may exceed every float
        return False
    return (low is None or number >= low) and (high is None or number <= high)


def _refuse(parameter: Parameter, value: Any) -> NoReturn:
    raise SettingsError(f"Parameter {parameter.name} is {quote(value)}, but it must be {parameter.allowed}.")
