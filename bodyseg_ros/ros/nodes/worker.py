"""A thread that processes a mailbox's items."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from ...errors import FrameError
from .fair_lock import FairLock
from .mailbox import Mailbox

__all__ = ["Worker"]

T = TypeVar("T")


class Worker(Generic[T]):
    """Calls `handle` for each item of its mailbox until stop(); `failed` receives what `handle` raises.

    turns: shared with other workers; an item stays in the mailbox until it is this worker's turn.
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
        """Items replaced by a newer one."""
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
            if isinstance(err, FrameError):
                self.mailbox.unusable()
        else:
            self.mailbox.used()

    def stop(self) -> None:
        """Let it finish the current item, then return."""
        self.mailbox.close()
        self._thread.join()
