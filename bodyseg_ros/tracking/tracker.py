"""The seam between people seen and people known."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from .. import settings
from ..plugins import Plugin
from ..types import Frame, Result

__all__ = ["FakeTracker", "Tracker"]


class Tracker(Plugin):
    """Tells who is the same as in the frames before. A plugin writes identify(). Built as `TrackerClass(settings)`.

    It belongs to one camera. Where frames do not follow each other, a new one is built; whoever builds it sees to it
    that no id is given twice.
    """

    supported_versions = frozenset({1})
    Settings: ClassVar[type[settings.Settings]] = settings.Settings

    def __init__(self, settings: Any) -> None:
        #: May be swapped between two frames.
        self.settings = settings

    @abstractmethod
    def identify(self, frame: Frame, result: Result, step_s: float) -> Sequence[int]:
        """The number of each person of `result`, in order, each once.

        Numbers are 1 or above; one above all numbers given so far is somebody new. result: has poses; they lie, as its
        maps do, on the mirror image of the frame where it is `mirrored`. step_s: seconds since the last call, above 0.
        """


class FakeTracker(Tracker):
    """For tests and demonstrations: the best person is always 1, the next one 2."""

    api_version = 1

    def identify(self, frame: Frame, result: Result, step_s: float) -> Sequence[int]:
        """From 1 on, in the order of the result."""
        return range(1, len(result) + 1)
