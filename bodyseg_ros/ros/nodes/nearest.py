"""Match each sensor message with the mask nearest in time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from .stamp_check import Stamps

__all__ = ["Nearest"]

#: Masks and items kept.
_KEPT: Final = 30
_MASK, _ITEM = 0, 1


class Nearest:
    """Matches each item with the mask of the nearest stamp; one mask may serve several items.

    An item is settled once a mask of its stamp or a later one has arrived: no nearer one can come. Stamps says which
    items match nothing.

    names: of masks and items, for messages. slop_ns: maximum age difference. patience_s: how long an item waits.
    close_ns: a mask of at most this age difference settles at once. now_s: a monotonic clock.
    """

    def __init__(
        self,
        names: tuple[str, str],
        slop_ns: int,
        patience_s: float,
        now_s: Callable[[], float] = time.monotonic,
        close_ns: int = 0,
    ) -> None:
        self._slop_ns, self._patience_s, self._now_s, self._close_ns = slop_ns, patience_s, now_s, close_ns
        self._masks: dict[int, Any] = {}
        self._items: dict[int, tuple[float, Any]] = {}
        self._unmatched: list[Any] = []
        self._stamps = Stamps(names, _KEPT, self._forget, self._repeated)

    def add_mask(self, stamp_ns: int, mask: Any) -> None:
        """Add a mask. Raises FrameError if its stamp is ambiguous."""
        self._stamps.check(_MASK, stamp_ns)
        self._masks[stamp_ns] = mask
        if len(self._masks) > _KEPT:
            del self._masks[next(iter(self._masks))]

    def add_item(self, stamp_ns: int, item: Any) -> None:
        """Add an item. Raises FrameError if its stamp is ambiguous."""
        self._stamps.check(_ITEM, stamp_ns)
        self._items[stamp_ns] = (self._now_s(), item)
        if len(self._items) > _KEPT:
            oldest = next(iter(self._items))
            self._unmatched.append(self._items.pop(oldest)[1])

    def settled(self, given_up_ns: int = 0) -> list[tuple[Any, Any]]:
        """Remove and return settled items with their masks, in order of arrival; the mask is None if none matched.

        given_up_ns: stamp of an item that waits no longer.
        """
        done = [(item, None) for item in self._unmatched]
        self._unmatched = []
        newest = max(self._masks, default=0)
        late = self._now_s() - self._patience_s
        for stamp, (came, item) in list(self._items.items()):
            nearest = min(self._masks, key=lambda mask: abs(mask - stamp), default=None)
            away = abs(nearest - stamp) if nearest is not None else self._slop_ns + 1
            fits = away <= self._slop_ns
            if newest >= stamp or came <= late or stamp == given_up_ns or (fits and away <= self._close_ns):
                del self._items[stamp]
                done.append((item, self._masks[nearest] if fits and nearest is not None else None))
        return done

    def _forget(self) -> None:
        """Time jumped back: drop everything queued."""
        self._unmatched += [item for _, item in self._items.values()]
        self._items.clear()
        self._masks.clear()

    def _repeated(self, side: int, stamp_ns: int) -> None:
        """Two items had this stamp: drop both, since neither can be matched."""
        if side == _MASK:
            self._masks.pop(stamp_ns, None)
        elif stamp_ns in self._items:
            self._unmatched.append(self._items.pop(stamp_ns)[1])
