"""Report exceptions of callbacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...errors import BodysegError

__all__ = ["answer", "describe"]


def describe(error: BaseException, doing: str) -> str:
    """Describe a failed callback for the log: our own errors by their message, others with their type."""
    if isinstance(error, BodysegError):
        return str(error)
    return f"{doing} failed with {type(error).__name__}: {error}"


def answer(handler: Callable[[Any], Mapping[str, Any]], request: Any) -> Mapping[str, Any]:
    """Fields of a service response; a BodysegError means refusal."""
    try:
        return handler(request)
    except BodysegError as err:
        return {"success": False, "message": str(err)}
