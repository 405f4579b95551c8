"""How many people `bodyseg anonymize` leaves uncovered in made recordings (hard_clips.py), with one pass and with two.

Without options, the network of the package by its defaults. Options are parameters:

    python benchmark/anonymize.py model=bodypix-mobilenet-075 window_frames=5
"""

from __future__ import annotations

import sys
from contextlib import closing

from hard_clips import FPS, HEIGHT, WIDTH, Tally, made_clips
from rich.console import Console

from bodyseg_ros.model import open_model
from bodyseg_ros.parameter_files import parse_value
from bodyseg_ros.plan import make_plan
from bodyseg_ros.privacy import NEEDED, Observer, RecordingSettings, fill_over_time, to_pixels
from bodyseg_ros.types import Frame

PASSES = {"one pass": {"window_frames": 0, "max_gap": 0.0}, "two passes": {}}


def main() -> None:
    """Make the recordings, go over them, print the rates."""
    values = {name: parse_value(text) for name, text in (word.split("=", 1) for word in sys.argv[1:])}
    plan = make_plan(values, RecordingSettings)
    tally = Tally(list(PASSES))
    with open_model(plan) as model:
        for moments in made_clips():
            observer = Observer(lambda frame: model.run(frame, NEEDED), plan.own.segmentation_threshold)
            for index, moment in enumerate(moments):
                observer.look(lambda moment=moment: Frame(moment.image), index * 10**9 // FPS)  # type: ignore[misc]
            for name, changes in PASSES.items():
                covers = fill_over_time(observer.seen, plan.own.model_copy(update=changes))
                with closing(covers.masks):
                    for index, moment in enumerate(moments):
                        blank = index in observer.seen.reasons
                        cover = None if blank else to_pixels(covers.masks.read(index), (HEIGHT, WIDTH)) > 0
                        tally.add(name, moment, cover)
            observer.seen.close()
    Console().print(tally.table(plan.card.name))
    one, two = (tally.missed(name) for name in PASSES)
    print(f"Missed: {one:.1%} with one pass, {two:.1%} with two: {two / max(one, 1e-9):.2f} of them.")


if __name__ == "__main__":
    main()
