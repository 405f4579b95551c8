"""Read parameters from ROS 2 parameter files and command lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from .errors import SettingsError
from .settings import flatten, split_groups
from .yaml_reader import read_yaml, read_yaml_file

__all__ = ["params_text", "parse_value", "read_params_file"]


def parse_value(text: str) -> Any:
    """Parse a command-line value as ROS does: as YAML, or the text itself if it is not YAML."""
    try:
        return read_yaml(text) if text.strip() else text
    except ValueError:
        return text


def read_params_file(path: Path, node_name: str = "bodyseg", namespace: str = "/") -> dict[str, Any]:
    """Parameters for one node from a ROS 2 parameter file, dotted names.

    Sections are node names (`bodyseg`, `/robot1/bodyseg`, or namespaces that contain node names), with the
    wildcards `/**`, `/*` and `**`; later sections override earlier ones. A file without any
    `ros__parameters` is read as plain parameters. Raises SettingsError if the file cannot be read.
    """
    tree = read_yaml_file(path, "parameter file", SettingsError)
    if tree is None:
        return {}
    if not isinstance(tree, Mapping):
        raise SettingsError(
            f"The parameter file {str(path)!r} must contain names and values, not {type(tree).__name__}."
        )
    sections = list(_sections(tree))
    if not sections:
        return flatten(tree)
    full_name = f"{namespace.rstrip('/')}/{node_name}"
    values: dict[str, Any] = {}
    for section, body in sections:
        if _matches(section, full_name):
            values.update(flatten(body))
    return values


def params_text(values: Mapping[str, Any]) -> str:
    """Write parameters by dotted name as the text of a ROS 2 parameter file for any node."""
    root, groups = split_groups(values)
    tree = {"/**": {"ros__parameters": _quoted(root | groups)}}
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


class _Text(str):
    """Text that is written in quotes: PyYAML and ROS differ in which bare words are numbers (5e-1) and truths (y)."""


class _Dumper(yaml.SafeDumper):
    """Knows _Text."""


_Dumper.add_representer(_Text, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"'))


def _quoted(value: Any) -> Any:
    """The value with all its texts in quotes, names aside."""
    if isinstance(value, Mapping):
        return {name: _quoted(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_quoted(inner) for inner in value]
    return _Text(value) if isinstance(value, str) else value


def _sections(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(full node name, its parameters) for each `ros__parameters` in a file."""
    for key, value in tree.items():
        if not isinstance(value, Mapping):
            continue
        name = f"{prefix}/{str(key).strip('/')}"
        if isinstance(value.get("ros__parameters"), Mapping):
            yield name, value["ros__parameters"]
        yield from _sections({k: v for k, v in value.items() if k != "ros__parameters"}, name)


def _matches(pattern: str, full_name: str) -> bool:
    """Whether a section's name (with `*` for one part, `**` for any number) means this node."""
    parts = full_name.strip("/").split("/")
    reached = {0}  # how many parts the pattern may have used up so far
    for word in pattern.strip("/").split("/"):
        if word == "**":
            reached = set(range(min(reached, default=len(parts) + 1), len(parts) + 1))
        else:
            reached = {count + 1 for count in reached if count < len(parts) and word in ("*", parts[count])}
    return len(parts) in reached
