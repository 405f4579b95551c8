"""Decide whether the stamps of two topics can match messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ...errors import FrameError

__all__ = ["Stamps"]

#: Stamps remembered per side to detect repeats: half a minute at 30 frames/s.
_REMEMBERED: Final = 1000
#: A stamp older than the newest by more than this starts a new timeline, such as a recording that starts again.
_JUMP_NS: Final = 1_000_000_000
#: Messages from a side whose time has not jumped before it counts as jumped too.
_PATIENCE: Final = 30


class Stamps:
    """Checks the stamps of two sides in order of arrival.

    A stamp must name one item of its side. Zero and repeated stamps are rejected, because they could match a mask with
    another moment's image. After a jump back in time nothing matches until both sides have jumped. A repeat cannot be
    detected if one of the two messages was lost.

    names: of the sides, for messages. waiting: maximum number of items waiting on a side. jumped: called when time
    jumps back, to drop what is queued. repeated: called with the side and the repeated stamp, to drop the item that had
    it first.
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
        self._settled_ns = 0  # newest stamp from before a jump; later stamps belong to the new timeline
        self._behind = 0  # items since the jump from the side that has not jumped yet

    def check(self, side: int, stamp_ns: int) -> None:
        """Check a stamp. Raises FrameError if it is zero or repeated."""
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
        """Start a new timeline on one side and drop what is queued."""
        self._settled_ns = max(self._newest)
        self._newest[side] = 0
        self._seen[side].clear()
        self._jumps[side] += 1
        self._behind = 0
        self._jumped()

    def _same_time(self, side: int, stamp_ns: int) -> bool:
        """Whether both sides are on the same timeline, or this stamp can only be on the new one."""
        if self._jumps[0] == self._jumps[1] or stamp_ns > self._settled_ns:
            return True
        if self._jumps[side] < self._jumps[1 - side]:
            self._behind += 1
            if self._behind > self._patience:
                self._jumps[side] = self._jumps[1 - side]
        return False
