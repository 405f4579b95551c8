"""A thread that works on what lies in a mailbox, and the order among several."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from .mailbox import Mailbox

__all__ = ["FairLock", "Worker"]

T = TypeVar("T")


class FairLock:
    """A lock; of those who wait for it, the one that came first gets it first."""

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


class Worker(Generic[T]):
    """Calls `handle` for each item of its mailbox, until stop(); `failed` hears of what `handle` raises.

    turns: shared with workers that must take turns; an item stays in the mailbox until it is this one's.
    """

    def __init__(
        self,
        mailbox: Mailbox[T],
        handle: Callable[[T], None],
        failed: Callable[[Exception], None],
        name: str,
        turns: FairLock | None = None,
    ) -> None:
        self.mailbox = mailbox
        self._handle, self._failed, self._turns = handle, failed, turns or FairLock()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Items that a newer one replaced."""
        return self.mailbox.dropped

    def _run(self) -> None:
        while self.mailbox.wait():
            with self._turns:
                item = self.mailbox.take()
                if item is not None:
                    self._work_on(item)

    def _work_on(self, item: T) -> None:
        try:
            self._handle(item)
        except Exception as err:  # noqa: BLE001 - one bad frame must not end the thread; it is told on
            self._failed(err)

    def stop(self) -> None:
        """Let it finish the item in hand, then return."""
        self.mailbox.close()
        self._thread.join()
