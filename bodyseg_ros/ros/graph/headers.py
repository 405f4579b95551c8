"""Message headers: stamps as nanoseconds and back; shortening of texts."""

from __future__ import annotations

from typing import Any, Final

from .port import Messages

__all__ = ["make_header", "make_time", "shorten", "stamp_ns"]

_LONGEST: Final = 64  # characters


def stamp_ns(header: Any) -> int:
    """Return a header's stamp, nanoseconds since 1970."""
    return int(header.stamp.sec) * 1_000_000_000 + int(header.stamp.nanosec)


def make_time(messages: Messages, time_ns: int) -> Any:
    """Make a builtin_interfaces/Time from nanoseconds since 1970."""
    sec, nanosec = divmod(time_ns, 1_000_000_000)
    return messages.make("builtin_interfaces/msg/Time", sec=sec, nanosec=nanosec)


def make_header(messages: Messages, time_ns: int, frame_id: str = "") -> Any:
    """A std_msgs/Header."""
    return messages.make("std_msgs/msg/Header", stamp=make_time(messages, time_ns), frame_id=frame_id)


def shorten(text: str, longest: int = _LONGEST) -> str:
    """Shorten a peer's text to `longest` characters, so that it is safe to log and store."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
