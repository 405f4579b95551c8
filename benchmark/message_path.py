"""What the way through ROS 2 messages costs: camera → node bodyseg → subscriber, two processes on DDS on this machine.

    python benchmark/message_path.py [--engine litert] [--rate 30] [--seconds 10] [--set name=value …] [--json FILE]

A 640×480 bgr8 picture of noise goes out at the rate, its person mask comes back. Messages and middleware take the time
from the picture's stamp to the published mask, less what the node spends between RGB picture and mask (`age_ms` and
`inference_ms` of /diagnostics, second by second).
The node's CPU time and memory are those of its process; the network's CPU time is measured in this process, with the
same engine and settings. Below stands what single steps take. The engine `fake` has no network.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bodyseg_ros import Frame, Wanted, load
from bodyseg_ros.allocation import keep_freed_memory
from bodyseg_ros.parameter_files import parse_value
from bodyseg_ros.ros.graph.dds_graph import DdsGraph
from bodyseg_ros.ros.graph.headers import stamp_ns
from bodyseg_ros.ros.graph.image_messages import image_message, read_image
from bodyseg_ros.ros.graph.loopback import private_environment
from bodyseg_ros.ros.graph.names import parse_ros_arguments
from bodyseg_ros.ros.graph.qos import RELIABLE, Qos
from bodyseg_ros.ros.graph.rosbag_types import RosbagMessages
from bodyseg_ros.ros.nodes.node_settings import NodeSettings
from bodyseg_ros.ros.processes import NodeProcess, usage

HEIGHT, WIDTH = 480, 640
IMAGE = "sensor_msgs/msg/Image"
PICTURE = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
#: Frames before the measurement begins.
WARM_UP = 30


class Camera:
    """Sends pictures and hears masks, all on one thread."""

    def __init__(self, graph: DdsGraph) -> None:
        self._graph = graph
        self._publisher = graph.publisher("image", IMAGE, Qos(depth=1, reliable=False))
        graph.subscribe("/bodyseg/mask", IMAGE, RELIABLE, self._take)
        graph.subscribe("/diagnostics", "diagnostic_msgs/msg/DiagnosticArray", Qos(depth=10), self._note)
        self._image = image_message(graph.messages, graph.messages.make("std_msgs/msg/Header"), PICTURE, "bgr8")
        self.latency_ms: list[float] = []
        #: Medians of each second: between picture and result; from the stamp to the last message published.
        self.seconds_ms: list[tuple[float, float]] = []
        self.facts: dict[str, str] = {}

    def _take(self, message: Any) -> None:
        self.latency_ms.append((time.time_ns() - stamp_ns(message.header)) / 1e6)

    def _note(self, message: Any) -> None:
        self.facts = {item.key: item.value for item in message.status[0].values}
        if self.facts["inference_ms"]:
            self.seconds_ms.append((float(self.facts["inference_ms"]), float(self.facts["age_ms"])))

    def send(self, frames: int, rate: float) -> None:
        due = time.monotonic()
        for _ in range(frames):
            self._publish()
            due += 1 / rate
            while (left := due - time.monotonic()) > 0:
                self._graph.spin_once(left)

    def _publish(self) -> None:
        messages, now = self._graph.messages, time.time_ns()
        stamp = messages.make("builtin_interfaces/msg/Time", sec=now // 10**9, nanosec=now % 10**9)
        self._publisher.publish(replace(self._image, header=messages.make("std_msgs/msg/Header", stamp=stamp)))


def measure(parameters: dict[str, Any], frames: int, rate: float) -> dict[str, Any]:
    """One run: latency, the node's CPU share and memory."""
    environment = private_environment()
    os.environ |= environment
    graph = DdsGraph(parse_ros_arguments("camera", []))
    camera, started = Camera(graph), time.monotonic()
    with NodeProcess("bodyseg", environment, parameters) as node:
        while not camera.latency_ms:
            camera.send(1, rate)
        first_mask_s = time.monotonic() - started
        camera.send(WARM_UP, rate)
        camera.latency_ms, camera.seconds_ms = [], []
        before, began = usage(node.pid), time.monotonic()
        camera.send(frames, rate)
        after, seconds = usage(node.pid), time.monotonic() - began
        graph.close()
    inference, age = np.array(camera.seconds_ms).T
    return {
        "first_mask_s": first_mask_s,
        "sent": frames,
        "received": len(camera.latency_ms),
        "seconds": seconds,
        "latency_ms": {f"p{share}": float(np.percentile(camera.latency_ms, share)) for share in (50, 95, 99)},
        "published_ms": float(np.median(age)),
        "inference_ms": float(np.median(inference)),
        "overhead_ms": float(np.median(age - inference)),
        "cpu_share": (after.cpu_s - before.cpu_s) / seconds,
        "resident_mb": after.resident_mb,
        "threads": after.threads,
        "facts": camera.facts,
    }


def network_cpu_ms(parameters: dict[str, Any], runs: int = 100) -> tuple[float, float]:
    """CPU time of one run of the bare network, and of the whole recipe to a mask, all threads, ms."""
    with load(**{name: value for name, value in parameters.items() if name not in NodeSettings.model_fields}) as model:
        frame = Frame(PICTURE)
        tensor = model.network.prepare(frame).tensor

        def cpu_ms(work: Callable[[], object]) -> float:
            for _ in range(5):
                work()
            began = time.process_time()
            for _ in range(runs):
                work()
            return (time.process_time() - began) / runs * 1e3

        return cpu_ms(lambda: model.engine.run(tensor)), cpu_ms(lambda: model.run(frame, Wanted.PERSON))


def milliseconds(work: Callable[[], object], repeat: int = 100) -> float:
    """Median of single calls."""
    times = []
    for _ in range(repeat):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return float(np.median(times) * 1e3)


def steps() -> dict[str, float]:
    messages = RosbagMessages()
    mask = np.ascontiguousarray(PICTURE[..., 0])
    header = messages.make("std_msgs/msg/Header")
    image = image_message(messages, header, PICTURE, "bgr8")
    mask_image = image_message(messages, header, mask, "mono8")
    data = messages.serialize(image, IMAGE)
    return {
        "picture to message (bgr8)": milliseconds(lambda: image_message(messages, header, PICTURE, "bgr8")),
        "message to bytes": milliseconds(lambda: messages.serialize(image, IMAGE)),
        "bytes to message": milliseconds(lambda: messages.deserialize(data, IMAGE)),
        "message to frame (RGB)": milliseconds(lambda: read_image(image)),
        "mask to message (mono8)": milliseconds(lambda: image_message(messages, header, mask, "mono8")),
        "mask message to bytes": milliseconds(lambda: messages.serialize(mask_image, IMAGE)),
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--engine", default="fake")
    arguments.add_argument("--seconds", type=float, default=10.0)
    arguments.add_argument("--rate", type=float, default=30.0)
    arguments.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="A parameter of the node.")
    arguments.add_argument("--json", type=Path)
    given = arguments.parse_args()
    keep_freed_memory()
    parameters = {"engine": given.engine} | {
        name: parse_value(value) for name, _, value in (text.partition("=") for text in given.set)
    }
    report = measure(parameters, round(given.seconds * given.rate), given.rate)
    bare, recipe = network_cpu_ms(parameters)
    report |= {"network_cpu_ms": bare, "recipe_cpu_ms": recipe, "steps_ms": steps()}
    if given.json:
        given.json.write_text(json.dumps(report, indent=2), encoding="utf-8")
    show(report, given.rate)


def show(report: dict[str, Any], rate: float) -> None:
    console, facts, latency = Console(highlight=False), report["facts"], report["latency_ms"]
    console.print(
        f"{WIDTH}×{HEIGHT} bgr8 at {rate:g} Hz, {facts['model']} on {facts['engine']} ({facts['device']}): "
        f"{report['sent']} sent, {report['received']} masks received; {facts['dropped']} dropped by the node"
    )
    table = Table("ms per frame", "median", "95 %", "99 %", box=None, pad_edge=False)
    table.add_row("stamp to mask in the subscriber", *(f"{value:.2f}" for value in latency.values()))
    table.add_row("stamp to mask published", f"{report['published_ms']:.2f}")
    table.add_row("of that, between picture and mask", f"{report['inference_ms']:.2f}")
    table.add_row("messages and middleware", f"{report['overhead_ms']:.2f}")
    console.print(table)
    network = report["network_cpu_ms"] * report["received"] / report["seconds"] / 1e3
    console.print(
        f"CPU: the node takes {report['cpu_share']:.0%} of one core, its network {network:.0%} of that core, "
        f"the rest {report['cpu_share'] - network:.0%}\n"
        f"The node has {report['resident_mb']:.0f} MB resident and {report['threads']} threads; its first mask came "
        f"{report['first_mask_s']:.1f} s after its start"
    )
    for name, value in report["steps_ms"].items():
        console.print(f"{name:<28}{value:.3f} ms")


if __name__ == "__main__":
    main()
