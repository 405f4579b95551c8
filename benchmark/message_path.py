"""What the way through ROS 2 messages costs: camera → bodyseg (an engine without a network) → subscriber.

    python benchmark/message_path.py [--seconds 10] [--rate 30]

Three processes on a DDS graph of their own on this machine; 640×480 bgr8 in, the person mask out. Cost per frame is the
time from a picture's stamp to its mask in the subscriber, less what the node spends between tensor and mask
(`inference_ms` of /diagnostics). Below stands what the single steps take inside of one process.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bodyseg_ros.graph.images import image_message, read_image
from bodyseg_ros.graph.private import private_environment
from bodyseg_ros.graph.rosbag_types import RosbagMessages
from bodyseg_ros.media import open_sink
from bodyseg_ros.nodes.processes import NodeProcess
from bodyseg_ros.types import Frame

HEIGHT, WIDTH = 480, 640
IMAGE = "sensor_msgs/msg/Image"
TOPICS = f"[/bodyseg/mask:{IMAGE},/diagnostics:diagnostic_msgs/msg/DiagnosticArray]"


def write_video(path: Path, frames: int, rate: float) -> None:
    fps = Fraction(rate).limit_denominator(1000)
    picture = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    with open_sink(path, fps) as write:
        for index in range(frames):
            write(np.roll(picture, index, axis=1), Frame(picture, int(index * 1e9 / fps)))


def run(folder: Path, frames: int, rate: float) -> dict[str, Any]:
    """The recorder's report, with the number of frames the camera sent."""
    write_video(folder / "video.mp4", frames, rate)
    (folder / "none.onnx").touch()
    environment, report = private_environment(), folder / "report.json"
    fake = {"engine": "fake", "model_path": folder / "none.onnx", "internal_resolution": "low"}
    with NodeProcess("bodyseg", environment, fake) as node:
        node.wait_for(" runs on ")
        with NodeProcess("recorder", environment, {"topics": TOPICS, "report": report}) as recorder:
            recorder.wait_for("Recording")
            camera = NodeProcess("camera", environment, {"source": folder / "video.mp4", "loop": False})
            camera.wait(frames / rate + 60)
            time.sleep(2.5)  # two more messages on /diagnostics
    found: dict[str, Any] = json.loads(report.read_text())
    found["sent"] = camera.said.partition("ended after ")[2].split()[0]
    return found


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
    picture = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    header = messages.make("std_msgs/msg/Header")
    image = image_message(messages, header, picture, "bgr8")
    mask = image_message(messages, header, picture[..., 0], "mono8")
    data, mask_data = messages.serialize(image, IMAGE), messages.serialize(mask, IMAGE)
    return {
        "picture to message (bgr8)": milliseconds(lambda: image_message(messages, header, picture, "bgr8")),
        "message to bytes": milliseconds(lambda: messages.serialize(image, IMAGE)),
        "bytes to message": milliseconds(lambda: messages.deserialize(data, IMAGE)),
        "message to frame (RGB)": milliseconds(lambda: read_image(image)),
        "mask to message (mono8)": milliseconds(lambda: image_message(messages, header, picture[..., 0], "mono8")),
        "mask message to bytes": milliseconds(lambda: messages.serialize(mask, IMAGE)),
        "mask bytes to message": milliseconds(lambda: messages.deserialize(mask_data, IMAGE)),
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seconds", type=float, default=10.0)
    arguments.add_argument("--rate", type=float, default=30.0)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = run(Path(folder), round(given.seconds * given.rate), given.rate)
    mask, node = report["topics"]["/bodyseg/mask"], report["diagnostics"]
    inference = float(node["inference_ms"])
    console = Console()
    console.print(
        f"{WIDTH}×{HEIGHT} bgr8 at {given.rate:g} Hz: {report['sent']} sent, {node['frames_in']} in, "
        f"{node['frames_out']} out, {node['dropped']} dropped, {mask['messages']} masks received"
    )
    table = Table("ms per frame", "median", "99 %", box=None, pad_edge=False)
    latency = mask["latency_median_ms"], mask["latency_p99_ms"]
    table.add_row("stamp to mask in the subscriber", *(f"{value:.2f}" for value in latency))
    table.add_row("of that, between tensor and mask (mean)", f"{inference:.2f}", "")
    table.add_row("messages and middleware", f"{latency[0] - inference:.2f}", "")
    console.print(table)
    console.print(Table("single step", "ms", box=None, pad_edge=False), end="")
    for name, value in steps().items():
        console.print(f"{name:<28}{value:.3f}")


if __name__ == "__main__":
    main()
