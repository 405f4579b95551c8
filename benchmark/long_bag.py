"""Memory of covering a short bag and one of an hour, each in a process of its own.

    python benchmark/long_bag.py [--minutes 1 60] [--hz 10]

One camera, 96×72 px, in which somebody walks from side to side and is away for a while, and a transform for each
picture. Instead of a network, the person's color tells who is where, so this is reading, deciding and writing alone.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bodyseg_ros.cli.reporting import progress_bar
from bodyseg_ros.ros.bag import BagWriter, write_bag
from bodyseg_ros.ros.bag_release import anonymize_bag
from bodyseg_ros.ros.graph.headers import make_header
from bodyseg_ros.ros.graph.image_messages import image_message
from bodyseg_ros.ros.graph.rosbag_types import RosbagMessages
from bodyseg_ros.types import Frame, Result, Wanted

SIZE = 72, 96
#: Frames of one walk across the picture and of the time away.
WALK = 150


class Eye:
    """Sees whoever is purple."""

    name, engine, device = "eye", "none", "none"
    offers = Wanted.PERSON | Wanted.CONFIDENCE
    learns_background = False

    def __init__(self, plan: Any, shared: Any) -> None: ...

    def close(self) -> None: ...

    def run(self, plan: Any, frame: Frame, wanted: Wanted) -> Result:
        person = frame.image[..., 0] > frame.image[..., 1]
        confidence = np.where(person, np.float32(0.99), frame.image[..., 1] * np.float32(5e-6))
        return Result(frame.size, person=person.view(np.uint8), confidence=confidence)


def draw(path: Path, frames: int, hz: int) -> None:
    messages = RosbagMessages()
    room = np.random.default_rng(0).integers(100, 200, (*SIZE, 1), np.uint8).repeat(3, axis=2)
    with write_bag(path) as writer:
        bag = BagWriter(writer, messages)
        for index in range(frames):
            time_ns = index * 10**9 // hz
            image = np.roll(room, index, axis=1)
            left = index % WALK - 16
            if left >= 0:
                image[20:64, left : left + 12] = 255, 0, 255
            picture = image_message(messages, make_header(messages, time_ns, "camera"), image, "rgb8")
            bag.add("/image", "sensor_msgs/msg/Image", picture, time_ns)
            bag.add("/tf", "tf2_msgs/msg/TFMessage", messages.make("tf2_msgs/msg/TFMessage", transforms=[]), time_ns)


def cover(source: Path, target: Path, answer: Any) -> None:
    """Send back the peak of resident memory before and after, MB, and the covered share."""
    before = peak_mb()
    with progress_bar() as progress:
        bar = progress.add_task(source.name, total=None)
        report = anonymize_bag(
            source,
            target,
            {"engine": "fake", "margin_px": 4},
            progress=lambda done, total: progress.update(bar, completed=done, total=total),
            open_model=Eye,  # type: ignore[arg-type] # what is used of a model
        )
    answer.send((before, peak_mb(), report.cameras[0].covered_share))


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, nargs="+", default=[1, 60])
    parser.add_argument("--hz", type=int, default=10)
    options = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        for minutes in options.minutes:
            frames, bag = 60 * minutes * options.hz, Path(folder) / f"{minutes}.mcap"
            draw(bag, frames, options.hz)
            answer, sender = spawn.Pipe(duplex=False)
            process = spawn.Process(target=cover, args=(bag, bag.with_name(f"{minutes}-public.mcap"), sender))
            began = time.monotonic()
            process.start()
            before, after, share = answer.recv()
            process.join()
            print(
                f"{minutes} min, {frames} frames, bag of {bag.stat().st_size / 2**20:.0f} MB: peak {after:.1f} MB, "
                f"{after - before:.1f} MB more than before; {share:.1%} covered; {time.monotonic() - began:.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
