"""What a privacy camera would leave uncovered of labeled people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from .annotations import Mask
from .labeled import People

LARGE_PX: Final = 96**2
"""Pixels from which a person is large, as COCO has it."""
SEEN_SHARE: Final = 0.1
"""Somebody of whom less than this share of pixels is covered counts as wholly uncovered."""


@dataclass
class Uncovered:
    """Counts over photos, each on its own, without what is held of frames before.

    people, missed: all, and those wholly uncovered; large ones of them beside.
    """

    person_px: int = 0
    uncovered_px: int = 0
    other_px: int = 0
    covered_other_px: int = 0
    people: int = 0
    missed: int = 0
    large: int = 0
    large_missed: int = 0

    def add(self, covered: Mask, truth: Mask, people: People | None = None) -> None:
        """Count one photo: where it is covered, where people are, and who, as Labeled.people has it."""
        self.person_px += int(np.count_nonzero(truth))
        self.uncovered_px += int(np.count_nonzero(truth & ~covered))
        self.other_px += int(np.count_nonzero(~truth))
        self.covered_other_px += int(np.count_nonzero(covered & ~truth))
        for number in range(1, 0 if people is None else int(people.max()) + 1):
            person = people == number
            size = int(np.count_nonzero(person))
            if size:
                missed = int(np.count_nonzero(person & covered)) < SEEN_SHARE * size
                self.people, self.missed = self.people + 1, self.missed + missed
                if size >= LARGE_PX:
                    self.large, self.large_missed = self.large + 1, self.large_missed + missed

    @property
    def uncovered(self) -> float:
        """Share of person pixels that is uncovered; 0 where nobody is."""
        return self.uncovered_px / self.person_px if self.person_px else 0.0

    @property
    def covered_rest(self) -> float:
        """Share of the other pixels that is covered all the same."""
        return self.covered_other_px / self.other_px if self.other_px else 0.0
