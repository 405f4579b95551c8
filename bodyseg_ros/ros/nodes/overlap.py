"""A worker that prepares and decodes on the CPU while another frame is in the network."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Generator
from typing import Final, Generic, TypeVar

from ...errors import FrameError
from .fair_lock import FairLock
from .mailbox import Mailbox

__all__ = ["OverlappingWorker"]

T = TypeVar("T")
Steps = Generator[None, None, object]
_BEFORE, _NETWORK, _AFTER = range(3)
#: Frames overlap if the network takes at least this share of the CPU work c before and after it. Overlapped, frames
#: come every c with a latency of up to 2c; sequentially, period and latency are c + network. An event waits half a
#: period for its frame, so it is seen after 2.5 c or after 1.5 (c + network).
_LEAST_SHARE: Final = 2 / 3


class OverlappingWorker(Generic[T]):
    """Processes the mailbox's items, one in the network and one before or after it where that pays, until stop().

    steps: processes an item; yields before and after the network. Items leave in the order in which they came. Unless
    the mailbox keeps all items, an item that has not entered the network is dropped when a newer one is prepared, and
    none enters while a newer one waits to be prepared.

    `failed` receives the exceptions of steps. turns: for the CPU. network: for the network. Both may be shared.
    """

    def __init__(
        self,
        mailbox: Mailbox[T],
        steps: Callable[[T], Steps],
        failed: Callable[[Exception], None],
        name: str,
        turns: FairLock,
        network: FairLock,
    ) -> None:
        self.mailbox = mailbox
        self._steps, self._failed, self._turns, self._network = steps, failed, turns, network
        self._took_s = [0.0, math.inf, 0.0]  # the last item; overlap until one has passed
        # Guarded by the mailbox's lock:
        self._changed = mailbox.changed
        self._prepared: Steps | None = None  # waits before the network
        self._busy = False  # one is in the network or may enter
        self._answered: Steps | None = None  # waits after the network
        self._overtaken = 0
        self._threads = [
            threading.Thread(target=self._on_cpu, name=name, daemon=True),
            threading.Thread(target=self._in_network, name=f"{name} network", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def dropped(self) -> int:
        """Items replaced by a newer one, in the mailbox or before the network."""
        return self.mailbox.dropped + self._overtaken

    def stop(self) -> None:
        """Let each thread finish its current step; items that have not left are dropped."""
        self.mailbox.close()
        for thread in self._threads:
            thread.join()

    def _on_cpu(self) -> None:
        while self._wait():
            with self._turns:
                self._begin()
                self._end()

    def _wait(self) -> bool:
        """Wait for CPU work; False once the mailbox is closed."""
        with self._changed:
            self._changed.wait_for(
                lambda: self.mailbox.closed or self._answered or self._may_begin or (self._prepared and not self._busy)
            )
            return not self.mailbox.closed

    @property
    def _may_begin(self) -> bool:
        """Whether an item waits that may be prepared now."""
        if self.mailbox.keep_all:
            return self.mailbox.waiting and self._prepared is None
        alone = not self._busy and self._answered is None
        return self.mailbox.waiting and (alone or self._overlap_pays)

    @property
    def _overlap_pays(self) -> bool:
        return self._took_s[_NETWORK] >= _LEAST_SHARE * (self._took_s[_BEFORE] + self._took_s[_AFTER])

    def _begin(self) -> None:
        """Prepare the waiting item if it is time to."""
        with self._changed:
            item = self.mailbox.take() if self._may_begin else None
        steps = None if item is None else self._steps(item)
        if steps is not None and self._step(_BEFORE, steps):
            self.mailbox.used()
            with self._changed:
                self._overtaken += self._prepared is not None
                self._prepared = steps

    def _end(self) -> None:
        """Let the prepared item into the network; meanwhile decode and publish the one that left it."""
        with self._changed:
            self._busy = self._busy or self._prepared is not None
            steps, self._answered = self._answered, None
            self._changed.notify_all()
        if steps is not None:
            self._step(_AFTER, steps)

    def _in_network(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self.mailbox.closed or self._busy)
            with self._network:
                steps = self._enter()
                if steps is None:
                    return
                goes_on = self._step(_NETWORK, steps)
            with self._changed:
                self._answered = steps if goes_on else None
                self._busy = False
                self._changed.notify_all()

    def _enter(self) -> Steps | None:
        """Return the last prepared item, which may have changed while others had turns; None once closed."""
        with self._changed:
            if self.mailbox.closed:
                return None
            steps, self._prepared = self._prepared, None
            self._changed.notify_all()
            return steps

    def _step(self, which: int, steps: Steps) -> bool:
        """Do an item's next step; return whether there is another."""
        began = time.perf_counter()
        try:
            next(steps)
        except StopIteration:
            return False
        except Exception as err:  # noqa: BLE001 - one bad frame must not end the thread; it is told on
            self._failed(err)
            if which == _BEFORE and isinstance(err, FrameError):
                self.mailbox.unusable()
            return False
        finally:
            self._took_s[which] = time.perf_counter() - began
        return True
