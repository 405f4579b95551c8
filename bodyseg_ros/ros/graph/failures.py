"""What others are told of a callback that raised."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...errors import BodysegError

__all__ = ["answer", "describe"]


def describe(error: BaseException, doing: str) -> str:
    """A failed callback for the log: our own errors are sentences, others get their type."""
    if isinstance(error, BodysegError):
        return str(error)
    return f"{doing} failed with {type(error).__name__}: {error}"


def answer(handler: Callable[[Any], Mapping[str, Any]], request: Any) -> Mapping[str, Any]:
    """The fields of a response; a BodysegError is one that says no."""
    try:
        return handler(request)
    except BodysegError as err:
        return {"success": False, "message": str(err)}
