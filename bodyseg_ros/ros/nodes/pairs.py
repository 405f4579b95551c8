"""Messages of two topics brought together by their stamps."""

from __future__ import annotations

from typing import Any

__all__ = ["Pairs"]


class Pairs:
    """Items of two sides, matched by stamp; at most `limit` of each wait.

    slop_ns: a pair's second item may be this much younger than its first, never older; 0: exact stamps.
    """

    def __init__(self, limit: int, slop_ns: int = 0) -> None:
        self._limit, self._slop_ns = limit, slop_ns
        self.waiting: tuple[dict[int, Any], dict[int, Any]] = ({}, {})

    def add(self, side: int, stamp_ns: int, item: Any) -> tuple[Any, Any] | None:
        """The pair (of side 0, of side 1) that `item` completes; what came before it waits no longer."""
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
