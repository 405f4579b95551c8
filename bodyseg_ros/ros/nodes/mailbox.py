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
        self.keep_all, self._slots = keep_all, slots
        self.closed = False
        #: Told of every change here; whoever waits for something else too may tell it of that.
        self.changed = threading.Condition()
        #: Items that nobody took because a newer one came.
        self.dropped = 0
        self._replaced: T | None = None  # the last of those that are dropped, since the last take()
        self._fallback: T | None = None  # the same, as of the last take()

    @property
    def waiting(self) -> bool:
        """Whether something lies here."""
        return bool(self._items)

    def put(self, item: T) -> None:
        """Leave an item; after close() it is dropped without being counted."""
        with self.changed:
            if self.keep_all:
                self.changed.wait_for(lambda: self.closed or len(self._items) < self._slots)
            elif len(self._items) >= self._slots:
                self._replaced = self._items.popleft()
                self.dropped += 1
            if not self.closed:
                self._items.append(item)
                self.changed.notify_all()

    def wait(self) -> bool:
        """Wait until something lies here; False once the box is closed."""
        with self.changed:
            self.changed.wait_for(lambda: self.closed or self.waiting)
            return not self.closed

    def take(self) -> T | None:
        """Wait for the oldest item; None once the box is closed."""
        with self.changed:
            self.changed.wait_for(lambda: self.closed or self.waiting)
            if self.closed:
                return None
            item = self._items.popleft()
            if self._replaced is not None:
                self._replaced, self._fallback = None, self._replaced
            self.changed.notify_all()
            return item

    def used(self) -> None:
        """The item taken last was good, so what it replaced is not needed."""
        self._fallback = None

    def unusable(self) -> None:
        """The item taken last was bad: what it replaced lies here again, unless something newer does."""
        with self.changed:
            if self._fallback is not None and not self._items and not self.closed:
                self._items.append(self._fallback)
                self._fallback = None
                self.dropped -= 1
                self.changed.notify_all()

    def close(self) -> None:
        """Wake everybody who waits and keep nothing."""
        with self.changed:
            self.closed = True
            self._items.clear()
            self._replaced = self._fallback = None
            self.changed.notify_all()
