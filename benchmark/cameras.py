"""Rate against the number of cameras that share one network: every camera at 30 Hz, 640×480, person mask.

    python benchmark/cameras.py [--set name=value …] [--cameras 1 2 4 8] [--seconds 5] [--json FILE] [--plot FILE]

One node per camera in this process, on a graph without middleware: messages are handed over, not sent.
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

import numpy as np
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bodyseg_ros.allocation import keep_freed_memory
from bodyseg_ros.ros.graph.fake_graph import Bus, FakeGraph
from bodyseg_ros.ros.graph.headers import stamp_ns
from bodyseg_ros.ros.graph.image_messages import image_message
from bodyseg_ros.ros.graph.qos import SENSOR, Qos
from bodyseg_ros.ros.nodes.bodyseg import BodysegNode
from bodyseg_ros.ros.nodes.shared import Shared
from bodyseg_ros.ros.processes import usage

IMAGE = "sensor_msgs/msg/Image"
RATE = 30.0
PICTURE = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)


class Cameras:
    """Sends every camera's pictures, evenly spread over the period, and hears the masks."""

    def __init__(self, count: int, parameters: list[str]) -> None:
        self.bus, shared = Bus(), Shared()
        arguments = ["--ros-args", *(word for text in parameters for word in ("-p", text))]
        self.graphs = [FakeGraph("bodyseg", self.bus, [*arguments, "-r", f"__ns:=/c{i}"]) for i in range(count)]
        nodes = [BodysegNode(graph, shared) for graph in self.graphs]
        self.threads = [
            threading.Thread(target=graph.spin, args=(node,)) for graph, node in zip(self.graphs, nodes, strict=True)
        ]
        self.mine = FakeGraph("cameras", self.bus)
        self.publishers = [self.mine.publisher(f"/c{i}/image", IMAGE, SENSOR) for i in range(count)]
        self.ages_ms: list[list[float]] = [[] for _ in range(count)]
        for index, ages in enumerate(self.ages_ms):
            self.mine.subscribe(f"/c{index}/bodyseg/mask", IMAGE, Qos(depth=100), self._noting(ages))

    def _noting(self, ages: list[float]) -> Any:
        return lambda message: ages.append((time.time_ns() - stamp_ns(message.header)) / 1e6)

    def run(self, seconds: float) -> list[list[float]]:
        for thread in self.threads:
            thread.start()
        while not all(publisher.subscriptions for publisher in self.publishers):
            time.sleep(0.05)
        self._send(1.0)  # until all are warm
        for ages in self.ages_ms:
            ages.clear()
        self._send(seconds)
        for graph in self.graphs:
            graph.shutdown()
        for thread in self.threads:
            thread.join()
        return self.ages_ms

    def _send(self, seconds: float) -> None:
        due, period = time.monotonic(), 1 / RATE / len(self.publishers)
        for count in range(round(seconds * RATE) * len(self.publishers)):
            self._publish(count % len(self.publishers))
            due += period
            while (left := due - time.monotonic()) > 0:
                self.mine.spin_once(left)

    def _publish(self, camera: int) -> None:
        messages, now = self.mine.messages, time.time_ns()
        stamp = messages.make("builtin_interfaces/msg/Time", sec=now // 10**9, nanosec=now % 10**9)
        header = messages.make("std_msgs/msg/Header", stamp=stamp)
        self.publishers[camera].publish(image_message(messages, header, PICTURE, "bgr8"))


def measure(count: int, parameters: list[str], seconds: float) -> dict[str, Any]:
    began = time.process_time()
    heard = Cameras(count, parameters).run(seconds)
    rates = [len(ages) / seconds for ages in heard]
    everything = np.concatenate([np.array(ages) for ages in heard])
    return {
        "cameras": count,
        "rate_hz": sum(rates),
        "least_hz": min(rates),
        "most_hz": max(rates),
        "age_median_ms": float(np.median(everything)),
        "age_p95_ms": float(np.percentile(everything, 95)),
        "cpu_s": time.process_time() - began,
        "resident_mb": usage(os.getpid()).resident_mb,
    }


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 4))
    counts = [row["cameras"] for row in rows]
    axes.plot(counts, [RATE * count for count in counts], "--", color="gray", label="frames sent")
    axes.plot(counts, [row["rate_hz"] for row in rows], "o-", label="masks, all cameras")
    axes.plot(counts, [row["rate_hz"] / row["cameras"] for row in rows], "s-", label="masks, each camera")
    axes.set(xlabel="cameras that share one network", ylabel="per second", xticks=counts, ylim=(0, None))
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="A parameter of the nodes.")
    arguments.add_argument("--cameras", type=int, nargs="+", default=[1, 2, 3, 4, 6, 8])
    arguments.add_argument("--seconds", type=float, default=5.0)
    arguments.add_argument("--json", type=Path)
    arguments.add_argument("--plot", type=Path)
    given = arguments.parse_args()
    keep_freed_memory()
    parameters = [text.replace("=", ":=", 1) for text in given.set]
    table = Table(
        "cameras", "masks/s", "each camera, least to most", "age, median ms", "95 %", "MB", box=None, pad_edge=False
    )
    rows = []
    for count in given.cameras:
        row = measure(count, parameters, given.seconds)
        rows.append(row)
        each = f"{row['least_hz']:.1f} to {row['most_hz']:.1f}"
        ages = f"{row['age_median_ms']:.1f}", f"{row['age_p95_ms']:.1f}"
        table.add_row(str(count), f"{row['rate_hz']:.1f}", each, *ages, f"{row['resident_mb']:.0f}")
    Console(highlight=False).print(table)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=2), encoding="utf-8")
    if given.plot:
        plot(rows, given.plot)


if __name__ == "__main__":
    main()
