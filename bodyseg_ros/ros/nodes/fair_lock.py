"""The order in which cameras are served: first come, first served."""

from __future__ import annotations

import threading
from collections import deque

__all__ = ["FairLock"]


class FairLock:
    """A lock that waiting threads get in the order in which they asked."""

    def __init__(self) -> None:
        self._free = True
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition()

    def __enter__(self) -> None:
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            self._changed.wait_for(lambda: self._free and self._waiting[0] is ticket)
            self._waiting.popleft()
            self._free = False

    def __exit__(self, *reason: object) -> None:
        with self._changed:
            self._free = True
            self._changed.notify_all()
