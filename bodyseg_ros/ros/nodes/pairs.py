"""Messages of two topics brought together by their stamps."""

from __future__ import annotations

from typing import Any

from .stamp_check import Stamps

__all__ = ["Pairs"]


class Pairs:
    """Items of two sides, matched by stamp, one with one; at most `limit` of each wait.

    names: of the sides, for sentences. slop_ns: a pair's second item may be this much younger than its first, never
    older; 0: exact stamps. See Stamps for what makes no pair.
    """

    def __init__(self, limit: int, names: tuple[str, str], slop_ns: int = 0) -> None:
        self._limit, self._slop_ns = limit, slop_ns
        self.waiting: tuple[dict[int, Any], dict[int, Any]] = ({}, {})
        self._stamps = Stamps(names, limit, self._forget, lambda side, stamp: self.waiting[side].pop(stamp, None))

    def _forget(self) -> None:
        for waiting in self.waiting:
            waiting.clear()

    def add(self, side: int, stamp_ns: int, item: Any) -> tuple[Any, Any] | None:
        """The pair (of side 0, of side 1) that `item` completes; what came before it waits no longer.

        Raises FrameError where the stamp cannot say which item of the other side belongs to this one.
        """
        self._stamps.check(side, stamp_ns)
        mine, others = self.waiting[side], self.waiting[1 - side]
        ahead = 1 if side == 0 else -1
        fitting = [stamp for stamp in others if 0 <= ahead * (stamp - stamp_ns) <= self._slop_ns]
        if not fitting:
            mine[stamp_ns] = item
            if len(mine) > self._limit:
                del mine[next(iter(mine))]  # the one that came first: time may have jumped back
            return None
        nearest = min(fitting, key=lambda stamp: abs(stamp - stamp_ns))
        other = others.pop(nearest)
        for waiting, reached in ((mine, stamp_ns), (others, nearest)):
            for old in [stamp for stamp in waiting if stamp < reached]:
                del waiting[old]
        return (item, other) if side == 0 else (other, item)
