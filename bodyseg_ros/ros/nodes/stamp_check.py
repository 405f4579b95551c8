"""Stamps of two topics: whether one can say which item of the other side belongs to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ...errors import FrameError

__all__ = ["Stamps"]

#: Stamps of each side that are remembered, so that one that comes again is known: half a minute at 30 frames a second.
_REMEMBERED: Final = 1000
#: A stamp older than the newest by more than this begins a new time, as when a recording starts again.
_JUMP_NS: Final = 1_000_000_000
#: So many messages of the side whose time has not jumped back are waited for before it counts as if it had.
_PATIENCE: Final = 30


class Stamps:
    """Checks the stamps of two sides, one after the other.

    Only a stamp that names one item of its side says what belongs together: what has no stamp, or one that its side
    has had before, would be laid on another moment's picture. After a jump back in time nothing counts until both sides
    have jumped. What cannot be known: that two had the same stamp, if one of them was lost on the way.

    names: of the sides, for sentences. waiting: most items that wait on a side. jumped: called when time jumps back, so
    that nothing waits that is from before. repeated: called with a side and a stamp that came again, so that the item
    that had it first does not wait.
    """

    def __init__(
        self,
        names: tuple[str, str],
        waiting: int,
        jumped: Callable[[], None],
        repeated: Callable[[int, int], object],
    ) -> None:
        self._names, self._patience = names, max(_PATIENCE, waiting)
        self._jumped, self._repeated = jumped, repeated
        self._seen: tuple[dict[int, None], dict[int, None]] = ({}, {})
        self._newest: list[int] = [0, 0]
        self._jumps: list[int] = [0, 0]
        self._settled_ns = 0  # the newest stamp from before a jump; younger ones are of the time after it
        self._behind = 0  # items since a jump of the side that has not jumped yet

    def check(self, side: int, stamp_ns: int) -> None:
        """Note a stamp. Raises FrameError where it is none, or not the only one."""
        name, other = self._names[side], self._names[1 - side]
        if stamp_ns <= 0:
            raise FrameError(
                f"The {name} has a stamp of zero, so it cannot be paired with the {other} and is dropped. Make "
                "the driver set stamps."
            )
        if stamp_ns < self._newest[side] - _JUMP_NS:
            self._jump(side)
        self._newest[side] = max(self._newest[side], stamp_ns)
        if stamp_ns in self._seen[side]:
            self._repeated(side, stamp_ns)
            raise FrameError(
                f"The {name} repeats an earlier stamp, so its {other} is ambiguous; both are dropped. Make the "
                "driver set unique stamps."
            )
        self._seen[side][stamp_ns] = None
        if len(self._seen[side]) > _REMEMBERED:
            del self._seen[side][next(iter(self._seen[side]))]
        if not self._same_time(side, stamp_ns):
            raise FrameError(
                f"Stamps jumped back in time, but not yet for both the {name} and the {other}; nothing is paired "
                "until they do."
            )

    def _jump(self, side: int) -> None:
        """Begin a new time on one side: nothing that waits is of it."""
        self._settled_ns = max(self._newest)
        self._newest[side] = 0
        self._seen[side].clear()
        self._jumps[side] += 1
        self._behind = 0
        self._jumped()

    def _same_time(self, side: int, stamp_ns: int) -> bool:
        """Whether both sides are in the same time, or this stamp can only be of the newer one."""
        if self._jumps[0] == self._jumps[1] or stamp_ns > self._settled_ns:
            return True
        if self._jumps[side] < self._jumps[1 - side]:
            self._behind += 1
            if self._behind > self._patience:
                self._jumps[side] = self._jumps[1 - side]
        return False
