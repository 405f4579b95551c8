"""What taking people out of depth images, clouds and scans adds to a frame, and how well it does, in a synthetic room.

    python benchmark/remover.py [--repeat 50]

The mask is rendered without error, so the shares are those of the geometry, not of a network. Times are medians from
message to message, with a new mask each time, without CDR.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "test"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bodyseg_ros.refine import shift_edge
from bodyseg_ros.ros.graph.cloud_messages import read_points, read_scan
from bodyseg_ros.ros.graph.rosbag_types import RosbagMessages
from bodyseg_ros.space import PeopleView, people_pixels
from scene import DEPTH_AT, LIDAR_AT, SCANNER_AT, Scene, cloud_message, lidar_rays, pixel_rays, scan_message, scan_rays

MESSAGES = RosbagMessages()
MARGIN_PX, DEPTH_M = 8, 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=50, help="runs per figure")
    repeat = parser.parse_args().repeat
    scene = Scene()
    mask = scene.mask()
    table = Table("sensor", "points", "people's points removed", "others lost", "ms", "p90", "CPU ms")
    for name, pose, rays, make, read in (
        ("lidar, 64 rings", LIDAR_AT, lidar_rays(), cloud_message, read_points),
        ("lidar, 64 rings, organized", LIDAR_AT, lidar_rays(), lambda *a: cloud_message(*a, rows=64), read_points),
        ("depth camera, 640×480, organized", DEPTH_AT, pixel_rays(scene.camera), organized, read_points),
        ("scanner", SCANNER_AT, scan_rays(), scan_message, read_scan),
    ):
        seen = scene.cast(pose, rays)
        message = make(MESSAGES, MESSAGES.make("std_msgs/msg/Header"), seen.points)
        to_camera = scene.camera_at.inverse() @ pose

        def remove(message: Any = message, to_camera: Any = to_camera, read: Any = read) -> np.ndarray:
            view = PeopleView(scene.camera, mask, MARGIN_PX, DEPTH_M)
            came = read(message)
            people = view.find(to_camera.apply(came.points), flat=read is read_scan)
            came.only(MESSAGES, ~people)
            return people

        found = remove()
        person = seen.person & scene.in_picture(to_camera.apply(seen.points))
        median, p90, cpu = timed(remove, repeat)
        table.add_row(
            name,
            f"{len(found)}",
            f"{found[person].mean():.2%} of {person.sum()}",
            f"{found[~seen.person].mean():.2%}",
            f"{median:.2f}",
            f"{p90:.2f}",
            f"{cpu:.2f}",
        )
    table.add_row(*depth_image(scene, mask, repeat))
    Console(width=120).print(table)


def depth_image(scene: Scene, mask: np.ndarray, repeat: int) -> list[str]:
    """The row of an aligned depth image."""
    seen = scene.cast(scene.camera_at, pixel_rays(scene.camera))
    depth, person = seen.points[:, 2].reshape(mask.shape), seen.person.reshape(mask.shape)

    def remove() -> np.ndarray:
        found = people_pixels(depth, mask, shift_edge(mask, MARGIN_PX), MARGIN_PX, DEPTH_M)
        np.where(found, np.nan, depth)
        return found

    found = remove()
    median, p90, cpu = timed(remove, repeat)
    shares = [f"{found[person].mean():.2%} of {person.sum()}", f"{found[~person].mean():.2%}"]
    return ["depth image, 640×480", f"{depth.size}", *shares, f"{median:.2f}", f"{p90:.2f}", f"{cpu:.2f}"]


def organized(messages: Any, header: Any, points: np.ndarray) -> Any:
    return cloud_message(messages, header, points, rows=480)


def timed(work: Callable[[], Any], repeat: int) -> tuple[float, float, float]:
    """Median and 90th percentile, ms; median of the CPU time of all threads, which a busy machine changes less."""
    times, cpu = [], []
    for _ in range(repeat):
        began, used = time.perf_counter(), time.process_time()
        work()
        times.append((time.perf_counter() - began) * 1e3)
        cpu.append((time.process_time() - used) * 1e3)
    return statistics.median(times), float(np.percentile(times, 90)), statistics.median(cpu)


if __name__ == "__main__":
    main()
