"""`bodyseg web --topic` on each runtime: the page shows what another node publishes."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("uvicorn", reason="uvicorn is not installed: pip install '.[web]'")
from websockets.sync.client import connect

from bodyseg_ros.ros.graph import SENSOR, Graph, open_graph
from bodyseg_ros.ros.graph.image_messages import image_message

from .test_graphs import rclpy, with_dds, with_zenoh

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(
    params=[
        pytest.param("dds", marks=with_dds),
        pytest.param("zenoh", marks=with_zenoh),
        pytest.param("rclpy", marks=rclpy),
    ]
)
def graph(request: pytest.FixtureRequest, domain: dict[str, str]) -> Iterator[Graph]:
    graph = open_graph("camera", [], request.param)
    yield graph
    graph.close()


@pytest.fixture
def page(request: pytest.FixtureRequest, graph: Graph, domain: dict[str, str]) -> Iterator[Callable[[str], Any]]:
    """Starts the command for a topic, and connects to its page."""
    runtime = request.node.callspec.params["graph"]
    command = [sys.executable, "-m", "bodyseg_ros.cli.main", "web", "--runtime", runtime, "--port", "0"]
    path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(ROOT)]))
    started: list[subprocess.Popen[str]] = []

    def start(topic: str) -> Any:
        environment = {**os.environ, **domain, "PYTHONPATH": path}
        words = [*command, "--topic", topic, "--engine", "fake"]
        started.append(subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True))
        assert started[0].stderr
        said = next(filter(None, (re.search(r"http:(//[\d.:]+/)", line) for line in started[0].stderr)))
        return connect(f"ws:{said[1]}live")

    yield start
    for process in started:
        process.terminate()
        process.communicate(timeout=20)


def header_of(graph: Graph) -> Any:
    make = graph.messages.make
    stamp = make("builtin_interfaces/msg/Time", sec=1, nanosec=2)
    return make("std_msgs/msg/Header", stamp=stamp, frame_id="camera")


def shown(viewer: Any, send: Callable[[], None]) -> np.ndarray:
    """The next picture of the layer `camera`, while `send` is called again and again."""
    viewer.send(json.dumps({"next": "camera"}))
    for _ in range(400):
        send()
        try:
            answer = viewer.recv(timeout=0.05)
        except TimeoutError:
            continue
        if isinstance(answer, bytes):
            return np.asarray(Image.open(io.BytesIO(answer)))
    pytest.fail("no picture came")


def test_the_page_shows_the_topic(graph: Graph, page: Callable[[str], Any]) -> None:
    out = graph.publisher("/hall/image", "sensor_msgs/msg/Image", SENSOR)
    image = image_message(graph.messages, header_of(graph), np.full((48, 64, 3), 180, np.uint8), "rgb8")

    def send() -> None:
        out.publish(image)
        graph.spin_once(0.01)

    with page("/hall/image") as viewer:
        state = json.loads(viewer.recv())["state"]
        assert state["changes"] is False, "whoever is on the graph owns the parameters"
        picture = shown(viewer, send)
        assert picture.shape == (48, 64, 3)
        assert abs(picture.astype(int) - 180).max() <= 2  # JPEG
        viewer.send(json.dumps({"set": {"segmentation_threshold": 0.5}}))
        refused = next(said for said in iter(viewer.recv, None) if isinstance(said, str) and "refused" in said)
        assert "read-only" in refused


def test_a_compressed_topic_is_told_by_its_name(graph: Graph, page: Callable[[str], Any]) -> None:
    kind = "sensor_msgs/msg/CompressedImage"
    out = graph.publisher("/hall/image/compressed", kind, SENSOR)
    file = io.BytesIO()
    Image.new("RGB", (64, 48), (200, 40, 40)).save(file, "PNG")
    data = graph.messages.pack(np.frombuffer(file.getvalue(), np.uint8))
    image = graph.messages.make(kind, header=header_of(graph), format="png", data=data)

    def send() -> None:
        out.publish(image)
        graph.spin_once(0.01)

    with page("/hall/image/compressed") as viewer:
        picture = shown(viewer, send)
    assert abs(picture.reshape(-1, 3).mean(axis=0) - (200, 40, 40)).max() <= 3
