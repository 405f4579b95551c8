"""YAML as ROS 2 reads it, within limits: for parameter files, model cards and training configurations.

Scalars mean what rcl's parser says (rcl_yaml_param_parser, ``get_value`` in ``parse.c``): `5e-1` and `1e3` are
numbers, `0x10` and `010` integers, dates and `1_000` strings. Tags are ignored, so that the lists that launch_ros
writes as `!!python/tuple` are lists. Aliases are refused: a small file with them is a huge tree, or one without end.
Unlike there, `null`, `~` and nothing at all are None.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from .errors import BodysegError

__all__ = ["read_yaml", "read_yaml_file"]

#: Far above real parameter files, and parsed in a moment.
_MAX_BYTES: Final = 256 * 1024
_MAX_VALUES: Final = 20_000
_MAX_DEPTH: Final = 20
_MAX_NAME: Final = 256

_TRUE: Final = frozenset({"Y", "y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"})
_FALSE: Final = frozenset({"N", "n", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"})
_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_INTEGER: Final = re.compile(r"[+-]?(?:0[xX](?P<hex>[0-9a-fA-F]+)|0(?P<octal>[0-7]*)|[1-9][0-9]*)")
_FLOAT: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_SPECIAL: Final = re.compile(r"[+-]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)|(?i:[+-]?(?:inf|infinity|nan))")
_STRING_TAG: Final = "tag:yaml.org,2002:str"
#: libyaml if PyYAML was built with it: same events, ten times as fast.
_Loader: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml_file(path: Path, what: str, error: type[BodysegError]) -> Any:
    """The content of a file: None, or scalars, lists, and dicts with names as keys.

    what: the file's purpose, as in 'parameter file'. Raises `error`, with a sentence, for anything that cannot be read.
    """
    try:
        regular = path.is_file() or not path.exists()  # opening a pipe would block
        data = _beginning(path) if regular else b""
    except (OSError, ValueError) as err:
        why = err.strerror if isinstance(err, OSError) else err
        raise error(f"The {what} {str(path)!r} cannot be read: {why}.") from err
    if not regular:
        raise error(f"The {what} {str(path)!r} cannot be read: it is not a regular file.")
    try:
        return read_yaml(data)
    except ValueError as err:
        raise error(f"The {what} {str(path)!r} is not valid YAML: {err}.") from err


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_MAX_BYTES + 1)


def read_yaml(data: bytes | str) -> Any:
    """Parse YAML text. Raises ValueError that says where and why it is invalid."""
    if len(data) > _MAX_BYTES:
        raise ValueError(f"it is longer than {_MAX_BYTES:,} bytes")
    try:
        events = _Events(data if isinstance(data, str) else data.decode("utf-8-sig"))
        content = events.node(next(events)) if not isinstance(events.peek(), yaml.StreamEndEvent) else None
        if not isinstance(events.peek(), yaml.StreamEndEvent):
            raise ValueError(f"{_line(events.peek())}: a second document starts; a file may have only one")
    except UnicodeDecodeError as err:
        raise ValueError(f"byte {err.start} is not UTF-8") from err
    except yaml.YAMLError as err:
        raise ValueError(_said(err)) from err
    return content


class _Events:
    """Yield the events of a text, without stream and document markers."""

    def __init__(self, text: str) -> None:
        framing = (yaml.StreamStartEvent, yaml.DocumentStartEvent, yaml.DocumentEndEvent)
        self._events: Iterator[yaml.Event] = (
            event for event in yaml.parse(text, Loader=_Loader) if not isinstance(event, framing)
        )
        self._next: yaml.Event | None = None
        self._values = self._depth = 0

    def __next__(self) -> yaml.Event:
        event = self.peek()
        self._next = None
        return event

    def peek(self) -> yaml.Event:
        """The next event, without consuming it."""
        if self._next is None:
            self._next = next(self._events)
        return self._next

    def node(self, event: yaml.Event) -> Any:
        """Build the value that starts with an event."""
        self._values += 1
        if self._values > _MAX_VALUES:
            raise ValueError(f"{_line(event)}: more than {_MAX_VALUES:,} values")
        if isinstance(event, yaml.ScalarEvent):
            return _scalar(event)
        if isinstance(event, yaml.AliasEvent):
            raise ValueError(
                f"{_line(event)}: the alias {_cut(f'*{event.anchor}')} is not allowed; write out the value"
            )
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise ValueError(f"{_line(event)}: nested deeper than {_MAX_DEPTH} levels")
        value = self._list() if isinstance(event, yaml.SequenceStartEvent) else self._dict()
        self._depth -= 1
        return value

    def _list(self) -> list[Any]:
        values = []
        while not isinstance(event := next(self), yaml.SequenceEndEvent):
            values.append(self.node(event))
        return values

    def _dict(self) -> dict[str, Any]:
        values = {}
        while not isinstance(event := next(self), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise ValueError(f"{_line(event)}: a name must be a plain word, not a list, a mapping or an alias")
            if len(event.value) > _MAX_NAME:
                raise ValueError(f"{_line(event)}: the name {_cut(event.value)} is longer than {_MAX_NAME} characters")
            values[event.value] = self.node(next(self))
        return values


def _scalar(event: yaml.ScalarEvent) -> bool | int | float | str | None:
    """Convert a scalar as rcl's get_value() does."""
    text = event.value
    if event.style or event.tag == _STRING_TAG:
        return text
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    number = _number(text)
    return text if number is None else number


def _number(text: str) -> int | float | None:
    """Convert as strtol and strtod do: a 64-bit int, else a float; None if it is not a number or too large."""
    integer = _INTEGER.fullmatch(text) if len(text) < 64 else None
    if integer:
        value = int(text.lstrip("+-"), 16 if integer["hex"] else 8 if integer["octal"] else 10)
        value = -value if text.startswith("-") else value
        if -(2**63) <= value < 2**63:
            return value
    if _SPECIAL.fullmatch(text):
        return float(text.replace(".", ""))
    if integer or _FLOAT.fullmatch(text):
        number = float(value if integer else text)
        return None if math.isinf(number) else number
    return None


def _said(err: yaml.YAMLError) -> str:
    """PyYAML's message as one line."""
    mark, problem = getattr(err, "problem_mark", None), getattr(err, "problem", None)
    text = " ".join(str(problem or getattr(err, "reason", None) or err).split())
    return f"line {mark.line + 1}: {text}" if mark else text


def _line(event: yaml.Event) -> str:
    return f"line {event.start_mark.line + 1}" if event.start_mark else "somewhere"


def _cut(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:60]}…")
