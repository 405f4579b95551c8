"""Match messages of two topics one to one by stamp."""

from __future__ import annotations

from typing import Any

from .stamp_check import Stamps

__all__ = ["Pairs"]


class Pairs:
    """Matches items of two sides one to one by stamp; at most `limit` wait on each side.

    names: of the sides, for messages. slop_ns: the second item of a pair may be this much later than the first, never
    earlier; 0: equal stamps only. Stamps says which items match nothing.
    """

    def __init__(self, limit: int, names: tuple[str, str], slop_ns: int = 0) -> None:
        self._limit, self._slop_ns = limit, slop_ns
        self.waiting: tuple[dict[int, Any], dict[int, Any]] = ({}, {})
        self._stamps = Stamps(names, limit, self._forget, lambda side, stamp: self.waiting[side].pop(stamp, None))

    def _forget(self) -> None:
        for waiting in self.waiting:
            waiting.clear()

    def add(self, side: int, stamp_ns: int, item: Any) -> tuple[Any, Any] | None:
        """Return the pair (side 0, side 1) that `item` completes; older waiting items are dropped.

        Raises FrameError if the stamp is ambiguous.
        """
        self._stamps.check(side, stamp_ns)
        mine, others = self.waiting[side], self.waiting[1 - side]
        ahead = 1 if side == 0 else -1
        fitting = [stamp for stamp in others if 0 <= ahead * (stamp - stamp_ns) <= self._slop_ns]
        if not fitting:
            mine[stamp_ns] = item
            if len(mine) > self._limit:
                del mine[next(iter(mine))]  # arrival order, since time may have jumped back
            return None
        nearest = min(fitting, key=lambda stamp: abs(stamp - stamp_ns))
        other = others.pop(nearest)
        for waiting, reached in ((mine, stamp_ns), (others, nearest)):
            for old in [stamp for stamp in waiting if stamp < reached]:
                del waiting[old]
        return (item, other) if side == 0 else (other, item)
