"""Headers of messages: stamps as nanoseconds and back, and short texts of long ones."""

from __future__ import annotations

from typing import Any, Final

from .port import Messages

__all__ = ["make_header", "make_time", "shorten", "stamp_ns"]

_LONGEST: Final = 64  # characters


def stamp_ns(header: Any) -> int:
    """A header's stamp, nanoseconds since 1970."""
    return int(header.stamp.sec) * 1_000_000_000 + int(header.stamp.nanosec)


def make_time(messages: Messages, time_ns: int) -> Any:
    """A builtin_interfaces/Time of nanoseconds since 1970."""
    sec, nanosec = divmod(time_ns, 1_000_000_000)
    return messages.make("builtin_interfaces/msg/Time", sec=sec, nanosec=nanosec)


def make_header(messages: Messages, time_ns: int, frame_id: str = "") -> Any:
    """A std_msgs/Header."""
    return messages.make("std_msgs/msg/Header", stamp=make_time(messages, time_ns), frame_id=frame_id)


def shorten(text: str, longest: int = _LONGEST) -> str:
    """At most `longest` characters of a text that somebody else wrote, so that it can be logged and kept."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
