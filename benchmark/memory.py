"""Memory and latency of the node over many frames: 640×480, masks, poses and the composite picture.

    python benchmark/memory.py photo.jpg [--set name=value …] [--frames 20000] [--json FILE]

The photo moves by a pixel from frame to frame. The node stands on a graph without middleware in this process, and is
given a picture as soon as it is done with the last one. Every 1000 frames a line: memory resident, and latency from the
picture to the last of its messages.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bodyseg_ros.allocation import keep_freed_memory
from bodyseg_ros.media import open_source
from bodyseg_ros.ros.graph.fake_graph import Bus, FakeGraph
from bodyseg_ros.ros.graph.image_messages import image_message
from bodyseg_ros.ros.graph.qos import RELIABLE, SENSOR
from bodyseg_ros.ros.nodes.bodyseg import BodysegNode
from bodyseg_ros.ros.processes import usage

IMAGE = "sensor_msgs/msg/Image"
TOPICS = {
    "/bodyseg/mask": IMAGE,
    "/bodyseg/composite": IMAGE,
    "/bodyseg/poses": "bodyseg_ros/msg/PersonPoseArray",
}
STEP = 1000


class Camera:
    """Sends one picture at a time and waits for everything that is made of it."""

    def __init__(self, bus: Bus, picture: NDArray[Any]) -> None:
        self._graph = FakeGraph("camera", bus)
        self._publisher = self._graph.publisher("/image", IMAGE, SENSOR)
        self._heard = 0
        for topic, type_name in TOPICS.items():
            self._graph.subscribe(topic, type_name, RELIABLE, self._take)
        self._picture = picture

    def _take(self, message: Any) -> None:
        self._heard += 1

    def wait_for_node(self) -> None:
        while not self._publisher.subscriptions:
            time.sleep(0.05)

    def frame_ms(self, number: int) -> float:
        messages, began = self._graph.messages, time.perf_counter()
        picture = np.roll(self._picture, number % 640, axis=1)
        self._heard = 0
        self._publisher.publish(image_message(messages, messages.make("std_msgs/msg/Header"), picture, "bgr8"))
        while self._heard < len(TOPICS):
            self._graph.spin_once(1.0)
        return (time.perf_counter() - began) * 1e3


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("photo")
    arguments.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="A parameter of the node.")
    arguments.add_argument("--frames", type=int, default=20_000)
    arguments.add_argument("--json", type=Path)
    given = arguments.parse_args()
    keep_freed_memory()
    parameters = [word for text in given.set for word in ("-p", text.replace("=", ":=", 1))]
    bus = Bus()
    graph = FakeGraph("bodyseg", bus, ["--ros-args", *parameters])
    spinning = threading.Thread(target=graph.spin, args=(BodysegNode(graph),))
    with open_source(given.photo) as source:
        camera = Camera(bus, cv2.resize(next(iter(source)).image, (640, 480), interpolation=cv2.INTER_AREA))
    spinning.start()
    camera.wait_for_node()
    console, rows, times = Console(highlight=False), [], []
    for number in range(given.frames):
        times.append(camera.frame_ms(number))
        if (number + 1) % STEP == 0:
            middle, late = np.percentile(times[-STEP:], [50, 99])
            resident = usage(os.getpid()).resident_mb
            rows.append({"frames": number + 1, "resident_mb": resident, "p50_ms": middle, "p99_ms": late})
            console.print(f"{number + 1:6d} frames: {resident:6.1f} MB, {middle:.2f} ms (99 %: {late:.2f})")
    graph.shutdown()
    spinning.join()
    p50, p99 = np.percentile(times, [50, 99])
    console.print(f"all: median {p50:.2f} ms, 99 % {p99:.2f} ms")
    if given.json:
        given.json.write_text(json.dumps({"rows": rows, "p50_ms": p50, "p99_ms": p99}, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
