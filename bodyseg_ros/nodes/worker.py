"""A thread that works on what lies in a mailbox."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from .mailbox import Mailbox

__all__ = ["Worker"]

T = TypeVar("T")


class Worker(Generic[T]):
    """Calls `handle` for each item of its mailbox, until stop(); `failed` hears of what `handle` raises."""

    def __init__(
        self, mailbox: Mailbox[T], handle: Callable[[T], None], failed: Callable[[Exception], None], name: str
    ) -> None:
        self.mailbox = mailbox
        self._handle, self._failed = handle, failed
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while (item := self.mailbox.take()) is not None:
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
