"""Recordings covered by one process, and by two workers of a Dask scheduler of which one is killed in the middle.

    python benchmark/fleet.py [--recordings 12] [--frames 40]

Prints whether all outputs are equal, and the throughput. Starts a scheduler and workers here; needs the extra
`fleet`. The recordings are drawn.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from distributed import Client

from bodyseg_ros.media.open_media import open_sink
from bodyseg_ros.types import Frame

SUFFIXES = "", ".report.json", ".sheet.png"
ADDRESS = "tcp://127.0.0.1:8799"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=int, default=12)
    parser.add_argument("--frames", type=int, default=40, help="of each recording")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = [draw(folder / f"clip{number:02}.mp4", number, options.frames) for number in range(options.recordings)]
        alone = cover(clips, folder / "one")
        print(f"one process: {alone:.1f} s, {60 * len(clips) / alone:.1f} recordings a minute", flush=True)
        with workers() as processes:
            fleet = cover(clips, folder / "steady", "--scheduler", ADDRESS)
            print(
                f"two workers: {fleet:.1f} s, {60 * len(clips) / fleet:.1f} a minute, {alone / fleet:.2f} times as many"
            )
            tell(clips, folder, "steady")
            run = subprocess.Popen(command(clips, folder / "killed", "--scheduler", ADDRESS))
            while len(list((folder / "killed").glob("*.report.json"))) < len(clips) // 3 and run.poll() is None:
                time.sleep(0.1)
            os.kill(processes[0].pid, signal.SIGKILL)
            done = len(list((folder / "killed").glob("*.report.json")))
            print(f"one worker killed when {done} were done: status {run.wait()}")
            tell(clips, folder, "killed")


def draw(path: Path, number: int, frames: int) -> Path:
    """A clip of noise that moves."""
    noise = np.random.default_rng(number).integers(0, 256, (30, 40, 3), np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    with open_sink(path, Fraction(15)) as write:
        for index in range(frames):
            image = np.roll(noise, 3 * index, axis=1)
            write(image, Frame(image, stamp_ns=index * 10**9 // 15))
    return path


def command(clips: list[Path], out: Path, *more: str) -> list[str]:
    start = [sys.executable, "-c", "from bodyseg_ros.cli.main import main; main()", "anonymize", "--quiet"]
    return [*start, *map(str, clips), "--out", str(out), *more]


def cover(clips: list[Path], out: Path, *more: str) -> float:
    """Seconds that the command takes."""
    start = time.perf_counter()
    subprocess.run(command(clips, out, *more), check=True)
    return time.perf_counter() - start


@contextlib.contextmanager
def workers() -> Iterator[list[subprocess.Popen[bytes]]]:
    """A scheduler and two workers; yields the workers."""
    scheduler = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "distributed.cli.dask_scheduler",
            "--port",
            ADDRESS.rpartition(":")[2],
            "--no-dashboard",
        ],
        stderr=subprocess.DEVNULL,
    )
    started = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "distributed.cli.dask_worker",
                ADDRESS,
                "--nthreads",
                "1",
                "--no-nanny",
                "--no-dashboard",
            ],
            stderr=subprocess.DEVNULL,
        )
        for _ in range(2)
    ]
    try:
        with Client(ADDRESS, timeout=30) as client:
            client.wait_for_workers(2)
        yield started
    finally:
        for process in (*started, scheduler):
            process.terminate()
            process.wait()


def tell(clips: list[Path], folder: Path, name: str) -> None:
    """Print how many outputs are those of one process, byte for byte."""
    pairs = [(folder / "one" / f"{c.name}{end}", folder / name / f"{c.name}{end}") for c in clips for end in SUFFIXES]
    missing = [b.name for _, b in pairs if not b.is_file()]
    other = [b.name for a, b in pairs if b.is_file() and a.read_bytes() != b.read_bytes()]
    equal = len(pairs) - len(missing) - len(other)
    print(
        f"  files equal to those of one process: {equal} of {len(pairs)}; missing: {missing}; other: {other}",
        flush=True,
    )


if __name__ == "__main__":
    main()
