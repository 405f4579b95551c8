"""Where frames wait for the worker; bounded at any camera rate."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

__all__ = ["Mailbox"]

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Hands items from the graph's thread to one worker.

    keep_all: False keeps the newest item; the one it replaces is dropped and counted. True keeps every item in order,
    and put() waits while `slots` of them are queued.
    """

    def __init__(self, *, keep_all: bool = False, slots: int = 1) -> None:
        self._items: deque[T] = deque()
        self.keep_all, self._slots = keep_all, slots
        self.closed = False
        #: Notified of every change here. Whoever also waits for something else may notify it of that.
        self.changed = threading.Condition()
        #: Items replaced by a newer one before they were taken.
        self.dropped = 0
        self._replaced: T | None = None  # last item dropped since the last take()
        self._fallback: T | None = None  # the same, at the last take()

    @property
    def waiting(self) -> bool:
        """Whether an item is queued."""
        return bool(self._items)

    def put(self, item: T) -> None:
        """Add an item. After close() it is dropped without being counted."""
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
        """Wait until an item is queued; False once the mailbox is closed."""
        with self.changed:
            self.changed.wait_for(lambda: self.closed or self.waiting)
            return not self.closed

    def take(self) -> T | None:
        """Wait for the oldest item; None once the mailbox is closed."""
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
        """The last item was valid: forget the one it replaced."""
        self._fallback = None

    def unusable(self) -> None:
        """The last item was invalid: put back the one it replaced, unless a newer one is queued."""
        with self.changed:
            if self._fallback is not None and not self._items and not self.closed:
                self._items.append(self._fallback)
                self._fallback = None
                self.dropped -= 1
                self.changed.notify_all()

    def close(self) -> None:
        """Wake all waiting threads and drop what is queued."""
        with self.changed:
            self.closed = True
            self._items.clear()
            self._replaced = self._fallback = None
            self.changed.notify_all()
