"""One line of JSON per frame: the people in it, and what they began or ended to do."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ..events import PersonEvent
from ..result_export import keypoints_as_dicts
from ..types import Frame, Result

__all__ = ["pose_line"]


def pose_line(name: str, frame: Frame, result: Result, events: Sequence[PersonEvent]) -> str:
    """Return a frame's line of poses.jsonl, with its line end. name: of the input."""
    height, width = result.size
    persons = [
        {
            "id": person.id,
            "state": None if person.state is None else person.state.name,
            "score": round(person.score, 4),
            "keypoints": keypoints_as_dicts(person),
        }
        for person in result
    ]
    line = {"input": name, "stamp_ns": frame.stamp_ns, "width": width, "height": height, "persons": persons}
    return json.dumps(line | {"events": [event.to_dict() for event in events]}) + "\n"
