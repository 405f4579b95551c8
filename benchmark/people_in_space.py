"""How exactly people are located with a depth camera, whether ever on the wall behind, and what it costs, ms a frame.

    python benchmark/people_in_space.py                                rendered people, all figures
    python benchmark/people_in_space.py --plot docs/people_in_space.png   draws one scene from the side and its errors

Masks are up to 3 px too large, keypoints have an error of σ 1.5 px, depth has 30 % holes, blurred edges and noise of
1.5 mm per m², and a wall is 0.15 to 1.5 m behind. The truth is the surface that the camera sees at the exact keypoint.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "test"))
sys.path.insert(0, str(ROOT))

from bodyseg_ros.body import SKELETON  # noqa: E402
from bodyseg_ros.space import PeopleLocator, Rigid  # noqa: E402
from people_scene import (  # noqa: E402
    COLOR,
    OTHERS,
    PeopleScene,
    background_hits,
    image_of,
    measure,
    random_scene,
    stand,
)

BESIDE = Rigid.of((0.01, 0.0, 0.0, 1.0), (0.05, 0.0, 0.0))


def accuracy(console: Console, scenes: int) -> None:
    errors, known, asked, hits = [], 0, 0, []
    for seed in range(scenes):
        scene, result, depth = random_scene(np.random.default_rng(seed), grow_px=3, jitter_px=1.5)
        found = PeopleLocator().locate(result, depth, COLOR)
        truth = scene.surfaces(scene.result())
        away = np.linalg.norm(found.keypoints - truth, axis=-1)
        errors.append(away[np.isfinite(away)])
        visible = np.isfinite(truth[..., 0])
        known += int(np.isfinite(found.keypoints[..., 0])[visible].sum())
        asked += int(visible.sum())
        hits += [(seed, *hit) for hit in background_hits(scene, result, found)]
    every = np.concatenate(errors)
    table = Table("scenes", "keypoints", "located", "p50 cm", "p90 cm", "p95 cm", "on the wall")
    shares = [f"{100 * value:.1f}" for value in np.percentile(every, (50, 90, 95))]
    table.add_row(str(scenes), str(asked), f"{known / asked:.1%}", *shares, str(len(hits)))
    console.print(table)
    for hit in hits:
        console.print(f"on the wall: scene {hit[0]}, person {hit[1]}, {hit[2]}")


def standing(console: Console, frames: int) -> None:
    """People who stand at 3 m; exact masks and keypoints, so the errors are depth's alone."""
    table = Table("depth camera", "encoding", "position, largest cm", "keypoints p50 cm", "p95 cm", "located")
    scene = PeopleScene([stand(0, 3.0), stand(-0.9, 3.1)])
    result = scene.result()
    truth = scene.surfaces(result)
    for name, camera, pose in (
        ("aligned", COLOR, Rigid.still()),
        ("half the size", OTHERS[1], Rigid.still()),
        ("beside", OTHERS[0], BESIDE),
    ):
        depth, _ = scene.render(camera, pose)
        for millimeters in (True, False):
            errors, far = [], 0.0
            for seed in range(frames):
                noisy = measure(depth, np.random.default_rng(seed), millimeters=millimeters)
                found = PeopleLocator().locate(result, image_of(noisy, camera, pose), COLOR)
                errors.append(np.linalg.norm(found.keypoints - truth, axis=-1))
                for position, (x, z) in zip(found.positions, ((0, 3.0), (-0.9, 3.1)), strict=True):
                    axis = np.array([x, position[1], z])
                    surface = axis - 0.12 * np.array([x, 0, z]) / np.hypot(x, z)
                    far = max(far, float(np.linalg.norm(position - surface)))
            p50, p95 = np.nanpercentile(errors, (50, 95))
            table.add_row(
                name,
                "16UC1" if millimeters else "32FC1",
                f"{100 * far:.1f}",
                f"{100 * p50:.1f}",
                f"{100 * p95:.1f}",
                f"{np.isfinite(errors).mean():.0%}",
            )
    console.print(table)


def cost(console: Console, repeat: int) -> None:
    table = Table("five people, 640×480", "ms", "of it for depth of another camera")
    places = ((0, 3), (-0.9, 3.3), (0.9, 3.2), (-1.6, 4), (1.6, 4.2))
    scene = PeopleScene([stand(x, z) for x, z in places])
    result = scene.result()
    cameras = {"aligned": (COLOR, Rigid.still()), "beside": (OTHERS[0], BESIDE)}
    images: dict[str, Any] = {}
    for name, (camera, pose) in cameras.items():
        depth, _ = scene.render(camera, pose)
        images[name] = image_of(measure(depth, np.random.default_rng(0)), camera, pose)
    times: dict[str, list[float]] = {name: [] for name in cameras}
    locators = {name: PeopleLocator() for name in cameras}
    for frame in range(repeat + 3):  # in turns, so that both meet the same disturbances
        for name, image in images.items():
            began = time.thread_time()
            locators[name].locate(result, image, COLOR, stamp_ns=frame * 33_333_333)
            times[name].append(1e3 * (time.thread_time() - began))
    medians = {name: float(np.median(values[3:])) for name, values in times.items()}
    table.add_row("aligned", f"{medians['aligned']:.1f}", "")
    table.add_row("beside", f"{medians['beside']:.1f}", f"{medians['beside'] - medians['aligned']:.1f}")
    console.print(table)


def plot(path: Path) -> None:
    """Two people seen from the front and from the side: depth, and where their keypoints are found."""
    from matplotlib.figure import Figure

    random = np.random.default_rng(5)
    scene = PeopleScene(
        [stand(-0.1, 2.6, random), stand(0.75, 3.2, random)], (np.array([0, 0, 3.8]), np.array([0.15, 0, 1]))
    )
    result = scene.result()
    noisy = image_of(measure(scene.render(COLOR, Rigid.still())[0], random), COLOR, Rigid.still())
    found = PeopleLocator().locate(result, noisy, COLOR)
    figure = Figure(figsize=(10, 4), layout="constrained")
    front, side = figure.subplots(1, 2)
    shown = front.imshow(np.where(noisy.depth > 0, noisy.depth, np.nan), cmap="viridis", vmin=1.8, vmax=4.2)
    figure.colorbar(shown, ax=front, label="depth, m", shrink=0.8)
    row, column = np.nonzero((noisy.depth > 0) & (np.abs(np.arange(480) - 200)[:, None] < 180))
    some = random.permutation(len(row))[:6000]
    z = noisy.depth[row[some], column[some]]
    side.scatter(z, -(row[some] - 239.5) / 525 * z, s=1, color="0.8", label="measured points")
    for person, color in enumerate(("C1", "C3")):
        points, pixels = found.keypoints[person], result.poses.keypoints[person]
        for one, other in SKELETON:
            front.plot(*pixels[[one, other]].T, color=color, linewidth=2)
            side.plot(points[[one, other], 2], -points[[one, other], 1], color=color, linewidth=2)
        side.plot(
            points[:, 2], -points[:, 1], "o", color=color, markersize=4, label=f"keypoints of person {person + 1}"
        )
        side.plot(found.positions[person, 2], -found.positions[person, 1], "k+", markersize=12)
    front.set(title="From the camera; white: holes", xticks=[], yticks=[])
    side.set(title="The same from the side", xlabel="z, m", ylabel="height over the camera, m", xlim=(1.2, 4.3))
    side.legend(loc="lower left", fontsize=7)
    figure.savefig(path, dpi=75)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=1000, help="random scenes")
    parser.add_argument("--repeat", type=int, default=40, help="frames per figure")
    parser.add_argument("--plot", type=Path, help="draw this file and do nothing else")
    chosen = parser.parse_args()
    cv2.setNumThreads(1)
    if chosen.plot:
        plot(chosen.plot)
        return
    console = Console(width=110)
    cost(console, chosen.repeat)
    standing(console, chosen.repeat)
    accuracy(console, chosen.scenes)


if __name__ == "__main__":
    main()
