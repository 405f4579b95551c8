"""How many people the live privacy camera leaves uncovered in made recordings (hard_clips.py), by how it covers them.

Frame by frame; held: also where people were in the `hold_frames` before; on their way: also people who are not detected
any more; late: also by what is seen in the next frames. Frames count from the first that the camera shows to the last
that has `LATEST` frames after it, the same in every row; a frame that cannot be judged is blank.
Options are parameters: python benchmark/privacy_camera.py model=bodypix-mobilenet-075 max_gap=1
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
from hard_clips import FPS, FRAMES, Moment, Tally, made_clips
from rich.console import Console

from bodyseg_ros.errors import BodysegError
from bodyseg_ros.model import Model, open_model
from bodyseg_ros.parameter_files import parse_value
from bodyseg_ros.plan import make_plan
from bodyseg_ros.privacy import NEEDED, Hider, LiveHidingSettings, MaskCheck
from bodyseg_ros.types import Frame, Result

LATEST = 15
WAYS: dict[str, dict[str, Any]] = {
    "each frame by itself": {"hold_frames": 0, "max_gap": 0.0, "delay_frames": 0},
    "held": {"max_gap": 0.0, "delay_frames": 0},
    "held, on their way": {"delay_frames": 0},
    **{f"held, on their way, {late} frames late": {"delay_frames": late} for late in (5, 10, LATEST)},
}


def looked_at(model: Model, moments: list[Moment]) -> list[tuple[Frame, Result | None]]:
    """What the network says of each frame; None where it is not believed."""
    check, seen = MaskCheck(), []
    for index, moment in enumerate(moments):
        frame = Frame(moment.image, index * 10**9 // FPS)
        try:
            result: Result | None = model.run(frame, NEEDED)
            check.check(frame, result)
        except BodysegError:
            result = None
        seen.append((frame, result))
    return seen


def covers_of(settings: LiveHidingSettings, seen: list[tuple[Frame, Result | None]]) -> dict[int, np.ndarray]:
    """Frame → what is covered in it, (H, W) bool, of the frames that are shown."""
    hider, covers, waiting = Hider(settings), {}, []
    for index, (frame, result) in enumerate(seen):
        if result is None:
            hider.forget()
            waiting = []
            continue
        waiting.append(index)
        hider.look(frame, result, frame.stamp_ns)
        hidden = hider.hide()
        if hidden is not None:
            shown = waiting.pop(0)
            if not hider.missing:
                covers[shown] = hidden[1].person > 0
    return covers


def main() -> None:
    """Make the recordings, go over them, print the rates."""
    values = {name: parse_value(text) for name, text in (word.split("=", 1) for word in sys.argv[1:])}
    plan = make_plan(values, LiveHidingSettings)
    tally, seconds = Tally(list(WAYS)), dict.fromkeys(WAYS, 0.0)
    with open_model(plan) as model:
        for moments in made_clips():
            seen = looked_at(model, moments)
            for way, changes in WAYS.items():
                began = time.perf_counter()
                covers = covers_of(plan.own.model_copy(update=changes), seen)
                seconds[way] += time.perf_counter() - began
                for index in range(plan.own.hold_frames, FRAMES - LATEST):
                    tally.add(way, moments[index], covers.get(index))
    console = Console()
    console.print(tally.table(plan.card.name))
    base = seconds["each frame by itself"]
    console.print(
        "Time to cover, of that frame by frame: " + ", ".join(f"{each / base:.1f}" for each in seconds.values())
    )


if __name__ == "__main__":
    main()
