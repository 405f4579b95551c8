"""ROS names and ROS arguments, read the way rcl reads them.

Source: https://design.ros2.org/articles/topic_and_service_names.html and rcl 9.2 (Jazzy) ``arguments.c``, ``remap.c``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import GraphError
from ...parameter_files import parse_value, read_params_file
from ...settings import flatten

__all__ = ["Names", "RosArguments", "domain_id", "parse_ros_arguments", "ros_type", "wire_type"]

_WORD = r"[A-Za-z_][A-Za-z0-9_]*"
_NAME = re.compile(rf"/|~|(?:/|~/)?{_WORD}(?:/{_WORD})*")
_RULE = re.compile(rf"(?:(?P<node>{_WORD}):(?!//|=))?(?:rostopic://|rosservice://)?(?P<match>[^:=]+):=(?P<to>.*)")
_FLAGS = {"--enable-rosout-logs", "--disable-rosout-logs", "--enable-stdout-logs", "--disable-stdout-logs",
          "--enable-external-lib-logs", "--disable-external-lib-logs"}  # fmt: skip
_IGNORED = {"-e", "--enclave", "--log-config-file", "--log-file-name"}


def wire_type(type_name: str) -> str:
    """'sensor_msgs/msg/Image' → 'sensor_msgs::msg::dds_::Image_', as DDS and Zenoh carry it."""
    package, kind, name = type_name.split("/")
    return f"{package}::{kind}::dds_::{name}_"


def ros_type(wire_name: str) -> str:
    """The inverse of wire_type(); what is not of ROS stays as it is."""
    return wire_name.removesuffix("_").replace("::dds_::", "::").replace("::", "/")


def domain_id() -> int:
    """ROS_DOMAIN_ID, 0 if unset. Raises GraphError."""
    text = os.environ.get("ROS_DOMAIN_ID", "") or "0"
    if not text.isdigit() or int(text) > 232:
        raise GraphError(f"ROS_DOMAIN_ID is {text!r}, but it must be an integer from 0 to 232.")
    return int(text)


@dataclass(frozen=True)
class Names:
    """Who a node is and what its relative names mean.

    remaps: (match, replacement) as written; the first match wins. Raises GraphError for a name that ROS does not allow.
    """

    node: str
    namespace: str = "/"
    remaps: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if not re.fullmatch(_WORD, self.node):
            raise GraphError(f"{self.node!r} is not a node name: letters, digits and _ only, no digit in front.")
        if not self.namespace.startswith("/"):
            object.__setattr__(self, "namespace", f"/{self.namespace}")
        _check(self.namespace)

    @property
    def full_name(self) -> str:
        """Namespace and node: '/robot1/bodyseg'."""
        return f"{self.namespace.rstrip('/')}/{self.node}"

    def resolve(self, name: str) -> str:
        """Return the full name of a topic or service after remapping: 'image' → '/robot1/image'; '~/mask' →
        '/robot1/bodyseg/mask'.
        """
        full = self._expand(name)
        for match, replacement in self.remaps:
            if self._expand(match) == full:
                return self._expand(replacement)
        return full

    def _expand(self, name: str) -> str:
        _check(name)
        if name.startswith("/"):
            return name
        if name == "~" or name.startswith("~/"):
            return self.full_name + name[1:]
        return f"{self.namespace.rstrip('/')}/{name}"


def _check(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise GraphError(
            f"{name!r} is not a ROS name: words of letters, digits and _ (no digit in front), joined by single "
            "slashes, such as 'image', '~/mask' or '/robot1/image'."
        )


@dataclass(frozen=True)
class RosArguments:
    """The arguments after --ros-args for one node.

    overrides: parameters by dotted name; later ones took precedence.
    """

    names: Names
    overrides: Mapping[str, Any] = field(default_factory=dict)
    log_level: str = "info"


def parse_ros_arguments(node: str, arguments: Sequence[str], namespace: str = "/") -> RosArguments:
    """Parse `--ros-args … [--]` for the program's node `node`; other arguments are ignored.

    Raises GraphError for an unknown ROS argument, SettingsError for an unreadable file.
    """
    rules, values, log_level = [], [], "info"
    for flag, value in _ros_pairs(arguments):
        if flag in ("-r", "--remap"):
            rules.append(_rule(flag, value))
        elif flag in ("-p", "--param", "--params-file"):
            values.append((flag, value))
        elif flag == "--log-level":
            log_level = _log_level(value, log_level, node)
    names = _named(node, namespace, rules)
    overrides: dict[str, Any] = {}
    for flag, value in values:
        if flag == "--params-file":
            overrides.update(read_params_file(Path(value), names.node, names.namespace))
        else:
            who, name, text = _rule(flag, value)
            if who in ("", names.node):
                parsed = parse_value(text)
                overrides.update(flatten({name: parsed}))
    return RosArguments(names, overrides, log_level)


def _ros_pairs(arguments: Sequence[str]) -> list[tuple[str, str]]:
    """Yield (flag, value) for everything between --ros-args and --."""
    pairs: list[tuple[str, str]] = []
    inside, rest = False, iter(arguments)
    for word in rest:
        if word == "--ros-args":
            inside = True
        elif word == "--":
            inside = False
        elif inside and word not in _FLAGS:
            if word not in {"-r", "--remap", "-p", "--param", "--params-file", "--log-level"} | _IGNORED:
                raise GraphError(
                    f"{word!r} is not a ROS argument. After --ros-args come -r a:=b, -p name:=value, --params-file "
                    "file.yaml and --log-level info; -- ends them."
                )
            value = next(rest, None)
            if value is None:
                raise GraphError(f"The ROS argument {word!r} needs a value behind it.")
            pairs.append((word, value))
    return pairs


def _rule(flag: str, text: str) -> tuple[str, str, str]:
    """Split 'node:left:=right' into (node or '', left, right)."""
    found = _RULE.fullmatch(text)
    if not found:
        example = "image:=/camera/image_raw" if flag in ("-r", "--remap") else "min_pose_confidence:=0.3"
        raise GraphError(f"{flag} {text!r} cannot be read; write it like {flag} {example}")
    return found["node"] or "", found["match"].strip(), found["to"].strip()


def _named(node: str, namespace: str, rules: Sequence[tuple[str, str, str]]) -> Names:
    """Return the node under its final name, with the rules that apply to it."""
    final = {"__node": node, "__ns": namespace}
    for who, match, replacement in reversed(rules):  # the first rule takes precedence, so it is written last
        key = "__node" if match == "__name" else match
        if key in final and who in ("", node):
            final[key] = replacement
    remaps = tuple(
        (match, replacement)
        for who, match, replacement in rules
        if not match.startswith("__") and who in ("", final["__node"])
    )
    return Names(final["__node"], final["__ns"], remaps)


def _log_level(text: str, before: str, node: str) -> str:
    who, _, level = text.rpartition(":=")
    if level.lower() not in ("debug", "info", "warn", "error", "fatal", "unset"):
        raise GraphError(f"{level!r} is not a log level; allowed are debug, info, warn, error and fatal.")
    return level.lower() if who.rpartition(".")[2] in ("", node) else before
