"""How people keep their ids in made videos (HOTA, IDF1, MOTA, switches), and what tracking costs, ms a frame.

python benchmark/tracking.py                           people who are drawn: the tracker alone, no network
python benchmark/tracking.py --plot docs/tracking.png  draws how calm keypoints are, and how they follow a step, too
python benchmark/tracking.py FOLDER [model=NAME …]     people cut out of a folder of photos and masks, as a network
                                                       sees them; FOLDER may be ../shared/train/ccp
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import bodyseg_ros as bodyseg  # noqa: E402
from bodyseg_ros.lab.labeled import labeled_photos  # noqa: E402
from bodyseg_ros.lab.moving_people import SCENES, Scene, paste, play  # noqa: E402
from bodyseg_ros.lab.tracking_scores import TrackedFrame, score_tracking  # noqa: E402
from bodyseg_ros.parameter_files import parse_value  # noqa: E402
from bodyseg_ros.settings import flatten  # noqa: E402
from bodyseg_ros.tracking import Following, KeypointSmoother, PeopleFollower, SmoothingSettings  # noqa: E402

SIZE = (480, 640)
WANTED = bodyseg.Wanted.POSES | bodyseg.Wanted.INSTANCES
RATES = (30, 10)
#: Of the photos with masks: those of people from head to feet.
TALLEST_SHARE = 0.8


def drawn(scene: Scene, fps: float, times_ms: list[float]) -> Iterator[TrackedFrame]:
    follower = PeopleFollower(Following())
    for moment in play(scene, fps=fps, size=SIZE):
        began = time.thread_time()
        result = follower.follow(moment.frame, moment.seen)
        times_ms.append(1e3 * (time.thread_time() - began))
        same = np.equal.outer(moment.truth, moment.truth).astype(float)
        yield TrackedFrame(moment.truth, result.tracks.ids, same)


def cut_out(folder: Path, count: int) -> list[np.ndarray]:
    """People from head to feet, RGBA."""
    found = []
    for labeled in labeled_photos(folder):
        image, truth = labeled.read()
        mask = np.asarray(truth, np.uint8)
        left, top, width, height = cv2.boundingRect(mask)
        if height >= TALLEST_SHARE * mask.shape[0] and top + height < mask.shape[0] - 2:
            there = np.s_[top : top + height, left : left + width]
            found.append(np.dstack([image[there], cv2.GaussianBlur(mask[there] * np.uint8(255), (3, 3), 0)]))
        if len(found) == count:
            return found
    raise SystemExit(f"In {folder} are only {len(found)} people from head to feet, with masks; {count} are needed.")


def pasted(
    scene: Scene, fps: float, times_ms: list[float], model: Any, people: Sequence[Any]
) -> Iterator[TrackedFrame]:
    follower = PeopleFollower(model.following)
    rows = np.linspace(150, 90, SIZE[0], dtype=np.float32)[:, None, None]
    background = np.broadcast_to(rows, (*SIZE, 3)).astype(np.uint8)
    for moment in paste(scene, people, background, fps):
        result = model.run(moment.frame, WANTED)
        began = time.thread_time()
        result = follower.follow(moment.frame, result)
        times_ms.append(1e3 * (time.thread_time() - began))
        masks = [moment.labels == walker for walker in moment.present]
        theirs = [person.mask > 0 for person in result]
        likeness = [[float((a & b).sum() / max((a | b).sum(), 1)) for b in theirs] for a in masks]
        yield TrackedFrame(moment.present, result.tracks.ids, np.array(likeness, float))


def plot(path: Path) -> None:
    """A still person's keypoint over time, and one that jumps, raw and smoothed."""
    from matplotlib.figure import Figure

    random, fps, settings = np.random.default_rng(0), 30, SmoothingSettings()
    body = np.stack([np.linspace(100, 200, 17), np.linspace(50, 350, 17)], axis=-1)
    still = np.repeat(body[None], 90, axis=0) + random.normal(0, 2, (90, 17, 2))
    jump = np.repeat(body[None], 24, axis=0)
    jump[8:, :, 0] += 60
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    axes = figure.subplots(1, 2)
    for axis, bodies, title in zip(axes, (still, jump), ("Still, 300 px tall, σ 2 px", "A step of 60 px"), strict=True):
        smoother, scores = KeypointSmoother(), np.ones((1, 17), np.float32)
        calm = np.array(
            [smoother.smooth([1], one[None].astype(np.float32), scores, 1 / fps, settings)[0] for one in bodies]
        )
        sigmas = [float(np.std(one[15:] - body, axis=0).mean()) for one in (bodies, calm)]
        labels = [f"{n}, σ {s:.1f} px" if bodies is still else n for n, s in zip(("raw", "calm"), sigmas, strict=True)]
        style = {"marker": ".", "drawstyle": "default"}
        for one, label, color in zip((bodies, calm), labels, ("0.6", "C0"), strict=True):
            axis.plot(range(len(one)), one[:, 8, 0] - body[8, 0], label=label, color=color, **style)
        axis.set(title=title, xlabel="frame", ylabel="x, px")
        axis.legend()
    figure.savefig(path, dpi=90)


def main(arguments: list[str]) -> None:
    console = Console()
    if "--plot" in arguments:
        at = arguments.index("--plot")
        plot(Path(arguments[at + 1]))
        del arguments[at : at + 2]
    folder = next((Path(text) for text in arguments if "=" not in text), None)
    cv2.setNumThreads(1)
    model, people = None, []
    if folder:
        values = dict(text.split("=", 1) for text in arguments if "=" in text)
        model = bodyseg.load(**{name: parse_value(value) for name, value in flatten(values).items()})
        people = cut_out(folder, max(len(scene.walkers) for scene in SCENES.values()))
    figures = ("HOTA", "DetA", "AssA", "IDF1", "MOTA", "switches", "ms")
    table = Table("scene", "fps", *figures, title=str(model or "people drawn"))
    for name, scene in SCENES.items():
        if model and "alike" in name:  # photos are of different people
            continue
        for fps in RATES[1:] if model else RATES:
            times_ms: list[float] = []
            frames = pasted(scene, fps, times_ms, model, people) if model else drawn(scene, fps, times_ms)
            scores = score_tracking(frames)
            shares = (scores.hota, scores.detection, scores.association, scores.idf1, scores.mota)
            row = (*(f"{share:.3f}" for share in shares), str(scores.switches), f"{np.median(times_ms):.2f}")
            table.add_row(name, str(fps), *row)
    console.print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
