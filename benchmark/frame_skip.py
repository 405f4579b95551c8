"""What frame_skip costs and saves on videos: IoU with the masks of every frame, and time per frame.

    python benchmark/frame_skip.py VIDEO... [--model NAME]

The settings take turns on each stretch of the video; the ratio of times is the median of the stretches'.
"""

from __future__ import annotations

import sys
import time
from itertools import islice
from pathlib import Path
from statistics import median

import cv2
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import bodyseg_ros as bodyseg  # noqa: E402
from bodyseg_ros.lab.evaluation import iou  # noqa: E402
from bodyseg_ros.media import open_source  # noqa: E402

WANTED = bodyseg.Wanted.PERSON
SETTINGS = [{"frame_skip": every, "skipped_frames": how} for every in (2, 3, 5) for how in ("move", "hold")]
STRETCH, FRAMES, SIDE = 15, 300, 640


def frames_of(video: str) -> list[bodyseg.Frame]:
    """The first frames, at most SIDE px wide."""
    with open_source(video) as source:
        frames = list(islice(source, FRAMES))
    scale = min(1.0, SIDE / max(frames[0].size))
    size = (round(frames[0].size[1] * scale), round(frames[0].size[0] * scale))
    return [
        bodyseg.Frame(cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA), frame.stamp_ns, frame.frame_id)
        for frame in frames
    ]


def run(model: bodyseg.Model, frames: list[bodyseg.Frame]) -> tuple[list, float]:
    """Masks and seconds."""
    began = time.perf_counter()
    return [model.run(frame, WANTED).person > 0 for frame in frames], time.perf_counter() - began


def main() -> None:
    words = sys.argv[1:]
    name = words.pop(words.index("--model") + 1) if "--model" in words else "bodyseg-mobilenet-075"
    table = Table("video", "frame_skip", "in between", "mean IoU", "worst tenth", "time, of every frame's")
    with bodyseg.load(name, threads=1) as model:
        for video in [word for word in words if word != "--model"]:
            frames = frames_of(video)
            scores: dict[int, list[float]] = {place: [] for place in range(len(SETTINGS))}
            ratios: dict[int, list[float]] = {place: [] for place in scores}
            for start in range(0, len(frames), STRETCH):
                stretch = frames[start : start + STRETCH]
                model.configure(frame_skip=1)
                truth, whole = run(model, stretch)
                for place, chosen in enumerate(SETTINGS):
                    model.configure(**chosen)
                    masks, seconds = run(model, stretch)
                    ratios[place].append(seconds / whole)
                    scores[place] += [iou(mask, true) for mask, true in zip(masks, truth, strict=True)]
            for place, chosen in enumerate(SETTINGS):
                worst = sorted(scores[place])[: max(1, len(frames) // 10)]
                mean = sum(scores[place]) / len(frames)
                figures = f"{mean:.3f}", f"{sum(worst) / len(worst):.3f}", f"{median(ratios[place]):.2f}"
                table.add_row(Path(video).stem, str(chosen["frame_skip"]), str(chosen["skipped_frames"]), *figures)
    Console().print(table)


if __name__ == "__main__":
    main()
