"""What a sensor sends, each with the mask of its moment."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from .stamp_check import Stamps

__all__ = ["Nearest"]

#: Masks, and items, that are kept.
_KEPT: Final = 30
_MASK, _ITEM = 0, 1


class Nearest:
    """Items, each matched with the mask whose stamp is nearest; a mask may serve several.

    An item is settled when a mask of its stamp or a younger one is there, since no nearer one will come. See Stamps for
    what matches nothing.

    names: of masks and items, for sentences. slop_ns: most that a mask is older or younger. patience_s: how long an
    item waits. now_s: a clock that does not jump.
    """

    def __init__(
        self,
        names: tuple[str, str],
        slop_ns: int,
        patience_s: float,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._slop_ns, self._patience_s, self._now_s = slop_ns, patience_s, now_s
        self._masks: dict[int, Any] = {}
        self._items: dict[int, tuple[float, Any]] = {}
        self._unmatched: list[Any] = []
        self._stamps = Stamps(names, _KEPT, self._forget, self._repeated)

    def add_mask(self, stamp_ns: int, mask: Any) -> None:
        """Note a mask. Raises FrameError where its stamp cannot say what belongs to it."""
        self._stamps.check(_MASK, stamp_ns)
        self._masks[stamp_ns] = mask
        if len(self._masks) > _KEPT:
            del self._masks[next(iter(self._masks))]

    def add_item(self, stamp_ns: int, item: Any) -> None:
        """Note an item. Raises FrameError where its stamp cannot say which mask belongs to it."""
        self._stamps.check(_ITEM, stamp_ns)
        self._items[stamp_ns] = (self._now_s(), item)
        if len(self._items) > _KEPT:
            oldest = next(iter(self._items))
            self._unmatched.append(self._items.pop(oldest)[1])

    def settled(self) -> list[tuple[Any, Any]]:
        """(item, its mask) of those that wait no longer, in the order they came; the mask is None where none came."""
        done = [(item, None) for item in self._unmatched]
        self._unmatched = []
        newest = max(self._masks, default=0)
        late = self._now_s() - self._patience_s
        for stamp, (came, item) in list(self._items.items()):
            nearest = min(self._masks, key=lambda mask: abs(mask - stamp), default=None)
            fits = nearest is not None and abs(nearest - stamp) <= self._slop_ns
            if newest >= stamp or came <= late:
                del self._items[stamp]
                done.append((item, self._masks[nearest] if fits and nearest is not None else None))
        return done

    def _forget(self) -> None:
        """Time jumped back: nothing that is here is of it."""
        self._unmatched += [item for _, item in self._items.values()]
        self._items.clear()
        self._masks.clear()

    def _repeated(self, side: int, stamp_ns: int) -> None:
        """Two had this stamp: neither is known to be of its moment."""
        if side == _MASK:
            self._masks.pop(stamp_ns, None)
        elif stamp_ns in self._items:
            self._unmatched.append(self._items.pop(stamp_ns)[1])
