"""The transform tree of /tf and /tf_static: relations between frames at a time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from typing import Final

from ..errors import FrameError
from .rigid import Rigid

__all__ = ["TransformTree"]

#: How long transforms of a moving frame are kept, as in tf2, and their maximum number.
_REMEMBERED_NS: Final = 10_000_000_000
_MOST_SAMPLES: Final = 4000
_MOST_FRAMES: Final = 2000
#: A stamp older than the newest by more than this starts a new timeline, for example when a bag starts again.
_JUMP_NS: Final = 1_000_000_000
_DEEPEST: Final = 100


@dataclass
class _Frame:
    """A frame's transforms to its parent. A static one has a single transform and no stamp."""

    parent: str
    fixed: bool
    stamps_ns: list[int] = field(default_factory=list)
    poses: list[Rigid] = field(default_factory=list)

    def add(self, stamp_ns: int, pose: Rigid) -> None:
        if self.fixed or (self.stamps_ns and stamp_ns < self.stamps_ns[-1] - _JUMP_NS):
            self.stamps_ns, self.poses = [], []
        at = bisect_left(self.stamps_ns, stamp_ns)
        if at < len(self.stamps_ns) and self.stamps_ns[at] == stamp_ns:
            self.poses[at] = pose
            return
        self.stamps_ns.insert(at, stamp_ns)
        self.poses.insert(at, pose)
        old = max(bisect_left(self.stamps_ns, self.stamps_ns[-1] - _REMEMBERED_NS), len(self.stamps_ns) - _MOST_SAMPLES)
        if old > 0:
            del self.stamps_ns[:old], self.poses[:old]

    def at(self, stamp_ns: int, name: str) -> Rigid:
        """Interpolate between the two nearest in time; never extrapolate."""
        if self.fixed:
            return self.poses[0]
        after = bisect_right(self.stamps_ns, stamp_ns)
        if after and self.stamps_ns[after - 1] == stamp_ns:
            return self.poses[after - 1]
        if not 0 < after < len(self.stamps_ns):
            edge = self.stamps_ns[0] if after == 0 else self.stamps_ns[-1]
            raise FrameError(
                f"Where the frame {name!r} stood is not known for this moment: it is "
                f"{abs(stamp_ns - edge) / 1e9:.3f} s {'before the oldest' if after == 0 else 'after the newest'} "
                "transform. Check that whoever publishes it stamps with the same clock as the sensors."
            )
        before = after - 1
        share = (stamp_ns - self.stamps_ns[before]) / (self.stamps_ns[after] - self.stamps_ns[before])
        return self.poses[before].toward(self.poses[after], share)


class TransformTree:
    """Frames by name with their parents and recent transforms. Not thread-safe."""

    def __init__(self) -> None:
        self._frames: dict[str, _Frame] = {}

    def add(self, parent: str, child: str, stamp_ns: int, pose: Rigid, *, fixed: bool = False) -> None:
        """Add a transform: `pose` transforms points of `child` to `parent`; `fixed`: valid at all times.

        Raises FrameError for too many frames, and for a frame that would be its own ancestor.
        """
        parent, child = parent.lstrip("/"), child.lstrip("/")
        if not child or parent == child:
            raise FrameError(f"A transform leads from the frame {child[:64]!r} to {parent[:64]!r}; it is not used.")
        known = self._frames.get(child)
        if known is None or (known.parent, known.fixed) != (parent, fixed):
            if known is None and len(self._frames) >= _MOST_FRAMES:
                raise FrameError(f"There are more than {_MOST_FRAMES} frames; others are not looked at.")
            known = self._frames[child] = _Frame(parent, fixed)
        known.add(stamp_ns, pose)

    def lookup(self, target: str, source: str, stamp_ns: int) -> Rigid:
        """Return the transform from `source` to `target` at one time.

        Raises FrameError if they are not connected, or not at that time.
        """
        target, source = target.lstrip("/"), source.lstrip("/")
        up, down = self._ancestors(source), self._ancestors(target)
        common = next((name for name in up if name in set(down)), None)
        if common is None:
            raise FrameError(
                f"No transform is known from the frame {source[:64]!r} to {target[:64]!r}. Check that /tf or "
                "/tf_static connects the two."
            )
        to_common = self._climb(up[: up.index(common)], stamp_ns)
        return self._climb(down[: down.index(common)], stamp_ns).inverse() @ to_common

    def between(self, target: str, target_ns: int, source: str, source_ns: int, fixed: str) -> Rigid:
        """Like lookup(), from `source` at one time to `target` at another, through a frame fixed between them."""
        return self.lookup(target, fixed, target_ns) @ self.lookup(fixed, source, source_ns)

    def _ancestors(self, name: str) -> list[str]:
        """The frame and its ancestors up to the root."""
        names = [name]
        while names[-1] in self._frames and len(names) <= _DEEPEST:
            names.append(self._frames[names[-1]].parent)
        return names

    def _climb(self, names: list[str], stamp_ns: int) -> Rigid:
        pose = Rigid.still()
        for name in names:
            pose = self._frames[name].at(stamp_ns, name) @ pose
        return pose
