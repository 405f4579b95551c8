"""One event of one person."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import Any

__all__ = ["EventKind", "PersonEvent"]


class EventKind(enum.IntEnum):
    """What happened; the values are those of the message PersonEvent."""

    ENTERED = 0
    LEFT = 1
    NEAR = 2
    LYING = 3
    HAND_RAISED = 4


@dataclass(frozen=True)
class PersonEvent:
    """Something that a person began, or ended, to do.

    person_id: as in tracking. began: False when a state ends; ENTERED and LEFT always begin. stamp_ns: of the frame
    that showed it. distance_m: from the camera, m; NaN if unknown.

    >>> print(bodyseg.PersonEvent(bodyseg.EventKind.NEAR, 3, True, stamp_ns=0, distance_m=0.8))
    Person 3 near, 0.80 m
    """

    kind: EventKind
    person_id: int
    began: bool
    stamp_ns: int
    distance_m: float = math.nan

    def __str__(self) -> str:
        ended = "" if self.began else ": ended"
        distance = "" if math.isnan(self.distance_m) else f", {self.distance_m:.2f} m"
        return f"Person {self.person_id} {self.kind.name.lower().replace('_', ' ')}{ended}{distance}"

    def to_dict(self) -> dict[str, Any]:
        """The event in plain types that JSON knows; an unknown distance is None.

        >>> bodyseg.PersonEvent(bodyseg.EventKind.ENTERED, 1, True, stamp_ns=0).to_dict()
        {'event': 'ENTERED', 'id': 1, 'began': True, 'distance_m': None}
        """
        distance = None if math.isnan(self.distance_m) else round(self.distance_m, 3)
        return {"event": self.kind.name, "id": self.person_id, "began": self.began, "distance_m": distance}
