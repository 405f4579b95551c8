"""Whether a network can be relied on to hide people, and what it detects in a recording's frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

import numpy as np

from ..errors import FrameError
from ..types import Frame, Result, Wanted
from .mask_check import MaskCheck
from .mask_store import Cells, Sightings, to_cells

__all__ = ["NEEDED", "Observer", "Seer", "detections", "unfit_reason"]

#: Outputs needed to hide people and to check the network.
NEEDED: Final = Wanted.PERSON | Wanted.CONFIDENCE
#: Share of the threshold above which a pixel counts as a person if it touches one, in this frame or nearby in time.
_WEAK_SHARE: Final = 1 / 3


class Seer(Protocol):
    """The properties of a loaded network that decide whether it is reliable."""

    @property
    def name(self) -> str:
        """Its card's name."""

    @property
    def offers(self) -> Wanted:
        """What it computes."""

    @property
    def learns_background(self) -> bool:
        """Whether it treats the first view as background."""


def unfit_reason(model: Seer, needs: Wanted = Wanted.NOTHING) -> str:
    """Say why a loaded network cannot hide people; '' if it can.

    needs: what effects read besides.
    """
    if Wanted.PERSON not in model.offers:
        return f"{model.name} computes no person masks, so it cannot hide people."
    if Wanted.CONFIDENCE not in model.offers:
        return f"{model.name} computes no person probabilities, so its failures cannot be detected."
    if needs & ~model.offers:
        return f"{model.name} does not compute what the effects need."
    if model.learns_background:
        return f"{model.name} treats everything in view at the start as background, people too."
    return ""


def detections(frame: Frame, result: Result, threshold: float) -> tuple[Cells, Cells]:
    """Return the people of a result in cells, and the same by a lower threshold.

    Raises FrameError if the result has no mask and probabilities of the frame's size.
    """
    if result.person is None or result.confidence is None or result.person.shape != frame.size:
        have = None if result.person is None else result.person.shape
        raise FrameError(f"The person mask is {have}, but the image is {frame.size}; nothing can be hidden.")
    person = (result.person != 0).view(np.uint8)
    weak = (result.confidence > np.float32(threshold * _WEAK_SHARE)).view(np.uint8) | person
    return to_cells(person), to_cells(weak)


class Observer:
    """First pass over one camera: read, run and judge each frame; failures are recorded, not raised.

    run: makes a frame's result, with mask and probabilities. threshold: of a person's pixels.
    """

    def __init__(self, run: Callable[[Frame], Result], threshold: float) -> None:
        self._run, self._threshold = run, threshold
        self._check = MaskCheck()
        self.seen = Sightings()

    def look(self, read: Callable[[], Frame], time_ns: int, stamp_ns: int = 0) -> None:
        """Record the detections of one frame.

        time_ns: its time in the recording. stamp_ns: of its header.
        """
        size = (0, 0)
        try:
            frame = read()
            size = frame.size
            result = self._run(frame)
            self._check.check(frame, result)
            strong, weak = detections(frame, result, self._threshold)
        except Exception as err:  # noqa: BLE001 - whatever went wrong, this frame is blanked, and the report says why
            self.seen.add_blind(time_ns, stamp_ns, size, str(err) or type(err).__name__)
            return
        self.seen.add(time_ns, stamp_ns, size, strong, weak)
