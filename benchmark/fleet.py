"""Recordings covered by one process, by two, and by two workers of a Dask scheduler, one of which is killed.

    python benchmark/fleet.py [--recordings 12] [--frames 40] [--command run]

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

ADDRESS = "tcp://127.0.0.1:8799"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=int, default=12)
    parser.add_argument("--frames", type=int, default=40, help="of each recording")
    parser.add_argument("--command", choices=["anonymize", "run"], default="anonymize")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = [draw(folder / f"clip{number:02}.mp4", number, options.frames) for number in range(options.recordings)]

        def command(out: str, *more: str) -> list[str]:
            start = [sys.executable, "-m", "bodyseg_ros.cli.main", options.command, "--quiet"]
            return [*start, *map(str, clips), "--out", str(folder / out), *more]

        def cover(out: str, *more: str) -> float:
            """Seconds that the command takes."""
            start = time.perf_counter()
            subprocess.run(command(out, *more), check=True)
            return time.perf_counter() - start

        def tell(what: str, seconds: float, alone: float = 0.0) -> None:
            ratio = f", {alone / seconds:.2f} times as many as one process" if alone else ""
            print(f"{what}: {seconds:.1f} s, {60 * len(clips) / seconds:.1f} recordings a minute{ratio}", flush=True)

        alone = cover("one")
        tell("one process", alone)
        tell("--jobs 2", cover("jobs", "--jobs", "2"), alone)
        compare(folder / "one", folder / "jobs")
        with workers() as processes:
            tell("two workers of a scheduler", cover("steady", "--scheduler", ADDRESS, "--threads", "1"), alone)
            compare(folder / "one", folder / "steady")
            run = subprocess.Popen(command("killed", "--scheduler", ADDRESS, "--threads", "1"))
            while len(done(folder / "killed")) < len(clips) // 3 and run.poll() is None:
                time.sleep(0.05)
            os.kill(processes[0].pid, signal.SIGKILL)
            count = len(done(folder / "killed"))
            print(f"one worker killed when {count} of {len(clips)} were done: status {run.wait()}")
            compare(folder / "one", folder / "killed")


def done(out: Path) -> list[Path]:
    """What tells that a recording is done: a report, or a record of a run that goes on."""
    return [*out.glob("*.report.json"), *out.glob(".bodyseg-run/*.json")]


def draw(path: Path, number: int, frames: int) -> Path:
    """A clip of noise that moves."""
    noise = np.random.default_rng(number).integers(0, 256, (30, 40, 3), np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    with open_sink(path, Fraction(15)) as write:
        for index in range(frames):
            image = np.roll(noise, 3 * index, axis=1)
            write(image, Frame(image, stamp_ns=index * 10**9 // 15))
    return path


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


def compare(one: Path, other: Path) -> None:
    """Print how many files are those of one process, byte for byte."""
    expected, there = ({path.relative_to(out) for path in out.rglob("*") if path.is_file()} for out in (one, other))
    equal = [path for path in expected & there if (one / path).read_bytes() == (other / path).read_bytes()]
    wrong = sorted(str(path) for path in (expected | there) - set(equal))
    print(f"  files equal to those of one process: {len(equal)} of {len(expected)}; missing, other or more: {wrong}")


if __name__ == "__main__":
    main()
