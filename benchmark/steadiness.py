"""How steady masks are from frame to frame, and how near their edges are to labeled ones, raw and refined; the cost.

Needs the folder of videos, labeled photos and models that BODYSEG_SHARED names (../shared). Flicker: pixels that
change sides between two frames where the picture stands still, as a share of the people's area. Boundary F: F. Perazzi
et al., "A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation", CVPR 2016, tolerance 0.008
diagonals. Options are parameters of the refinement: python benchmark/steadiness.py smoothing=0.9 guided_radius_px=16
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import bodyseg_ros as bodyseg  # noqa: E402
from bodyseg_ros.lab.labeled import Labeled, labeled_photos  # noqa: E402
from bodyseg_ros.media import open_source  # noqa: E402
from bodyseg_ros.parameter_files import parse_value  # noqa: E402
from bodyseg_ros.refine import Refiner, RefineSettings  # noqa: E402

WANTED = bodyseg.Wanted.PERSON
STEADY = {"smoothing": 0.8}
EDGES = {"guided_radius_px": 12, "guided_epsilon": 0.0001}
CLEANING = ({"weak_threshold": 0.4}, {"open_px": 3}, {"close_px": 3}, {"fill_holes": 0.02}, {"grow_px": 5})
#: A gray level of 255 above which a blurred pixel's change is motion, and how far around motion nothing is counted.
MOTION, AROUND_PX = 3.0, 10
TOLERANCE = 0.008
PHOTOS = 100


def masks(model: bodyseg.Model, frames: list[bodyseg.Frame], refine: dict[str, object]) -> list[np.ndarray]:
    model.configure(refine=RefineSettings().model_dump() | refine)
    return [model.run(frame, WANTED).person for frame in frames]


def still(frames: list[bodyseg.Frame]) -> Iterator[np.ndarray]:
    """For each frame but the first: (H, W) bool, true where nothing moved."""
    grays = [cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY).astype(np.float32) for frame in frames]
    blurred = [cv2.GaussianBlur(gray, (0, 0), 2) for gray in grays]
    around = np.ones((2 * AROUND_PX + 1,) * 2, np.uint8)
    for before, now in pairwise(blurred):
        yield cv2.dilate((np.abs(now - before) > MOTION).astype(np.uint8), around) == 0


def flicker(people: list[np.ndarray], quiet: list[np.ndarray]) -> float:
    """Mean changed area where nothing moved, % of the people's mean area."""
    changed = [
        np.count_nonzero((now != before) & where) for (before, now), where in zip(pairwise(people), quiet, strict=True)
    ]
    return float(100 * np.mean(changed) / max(np.mean([np.count_nonzero(mask) for mask in people]), 1))


def overlap(first: list[np.ndarray], second: list[np.ndarray]) -> float:
    both = sum(np.count_nonzero(a & b) for a, b in zip(first, second, strict=True))
    return both / sum(np.count_nonzero(a | b) for a, b in zip(first, second, strict=True))


def boundary_f(person: np.ndarray, truth: np.ndarray) -> float:
    """Harmonic mean of the shares of either edge that lie near the other's."""
    radius = int(np.ceil(TOLERANCE * np.hypot(*truth.shape)))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2)
    mine, true = (cv2.morphologyEx(m.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((2, 2))) for m in (person, truth))
    if not mine.any() or not true.any():
        return float(mine.any() == true.any())
    precision = np.count_nonzero(mine & cv2.dilate(true, disc)) / np.count_nonzero(mine)
    recall = np.count_nonzero(true & cv2.dilate(mine, disc)) / np.count_nonzero(true)
    return float(2 * precision * recall / max(precision + recall, 1e-9))


def edge_row(model: bodyseg.Model, photos: list[Labeled], refine: dict[str, object]) -> list[float]:
    """Boundary F raw, boundary F refined, IoU raw, IoU refined; means over the photos."""
    scores: list[list[float]] = []
    for photo in photos:
        image, truth = photo.read()
        frame = bodyseg.Frame(image)
        raw, refined = (masks(model, [frame], options)[0] for options in ({}, refine))
        scores.append([boundary_f(mask, truth) for mask in (raw, refined)])
        scores[-1] += [overlap([mask > 0], [truth]) if truth.any() else np.nan for mask in (raw, refined)]
    return [float(value) for value in np.nanmean(scores, axis=0)]


def cost(refine: dict[str, object], size: tuple[int, int]) -> float:
    """Milliseconds a frame of (height, width), best of many: noise, and a person in the middle of it."""
    height, width = size
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    confidence = np.exp(-3 * (x * x + y * y)).astype(np.float32)
    result = bodyseg.Result(size, person=(confidence > 0.7).view(np.uint8), confidence=confidence)
    refiner, times = Refiner(RefineSettings(**refine)), []
    for count in range(1, 40):
        began = time.perf_counter()
        refiner.refine(bodyseg.Frame(image, count * 10**7), result, SimpleNamespace(segmentation_threshold=0.7))
        times.append(time.perf_counter() - began)
    return 1e3 * min(times)


def main() -> None:
    shared = Path(os.environ.get("BODYSEG_SHARED", ROOT.parent / "shared"))
    given = {name: parse_value(text) for name, text in (word.split("=", 1) for word in sys.argv[1:])}
    smooth = {name: given.pop(name, value) for name, value in STEADY.items()}
    edges = EDGES | given
    console = Console()
    model = bodyseg.load(model_path=str(shared / "models/bodypix_050_tfjs"))
    table = Table(
        "video", "frames", "flicker raw, %", "smoothed, %", "IoU of smoothed with raw", title=f"Steadiness {smooth}"
    )
    for path in sorted((shared / "media/videos").glob("*.mp4")):
        with open_source(str(path)) as source:
            frames = list(source)
        quiet = list(still(frames))
        raw, steady = masks(model, frames, {}), masks(model, frames, smooth)
        figures = f"{flicker(raw, quiet):.3f}", f"{flicker(steady, quiet):.3f}", f"{overlap(raw, steady):.4f}"
        table.add_row(path.stem, str(len(frames)), *figures)
    console.print(table)
    table = Table("photos", "F raw", "F refined", "IoU raw", "IoU refined", title=f"Edges {edges}")
    for name in ("eval/coco_train2017_people", "train/ccp"):
        photos = labeled_photos(shared / name)
        photos = photos[:: max(1, len(photos) // PHOTOS)]
        table.add_row(f"{name} ({len(photos)})", *(f"{score:.4f}" for score in edge_row(model, photos, edges)))
    console.print(table)
    table = Table("step", "640×480, ms", "1280×720, ms", title="Cost of each step")
    for step in ({}, edges, smooth, *CLEANING):
        table.add_row(str(step) or "none", *(f"{cost(step, size):.2f}" for size in ((480, 640), (720, 1280))))
    console.print(table)


if __name__ == "__main__":
    main()
