"""Where frames wait for the worker: bounded, whatever the camera does."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

__all__ = ["Mailbox"]

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Hands items from the graph's thread to one worker.

    keep_all: False keeps the newest item and drops (and counts) the one that waited; True keeps every item, in
    order, and lets put() wait while `slots` of them are there.
    """

    def __init__(self, *, keep_all: bool = False, slots: int = 1) -> None:
        self._items: deque[T] = deque()
        self._keep_all, self._slots = keep_all, slots
        self._changed = threading.Condition()
        self._closed = False
        #: Items that nobody took because a newer one came.
        self.dropped = 0

    def put(self, item: T) -> None:
        """Leave an item; after close() it is dropped without being counted."""
        with self._changed:
            if self._keep_all:
                self._changed.wait_for(lambda: self._closed or len(self._items) < self._slots)
            elif len(self._items) >= self._slots:
                self._items.popleft()
                self.dropped += 1
            if not self._closed:
                self._items.append(item)
                self._changed.notify_all()

    def wait(self) -> bool:
        """Wait until something lies here; False once the box is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or bool(self._items))
            return not self._closed

    def take(self) -> T | None:
        """Wait for the oldest item; None once the box is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or bool(self._items))
            if self._closed:
                return None
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    def close(self) -> None:
        """Wake everybody who waits and keep nothing."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()
