"""A node on a graph in this process, and somebody who speaks to it and listens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bodyseg_ros.ros.graph.fake_graph import Bus, FakeGraph
from bodyseg_ros.ros.graph.image_messages import image_message
from bodyseg_ros.ros.graph.qos import LATCHED, Qos
from bodyseg_ros.ros.nodes.bodyseg import BodysegNode

ROOT = Path(__file__).resolve().parents[3]
IMAGE = "sensor_msgs/msg/Image"
PATIENCE_S = 20.0
DEEP = Qos(depth=100)


def header_of(messages: Any, stamp_ns: int, frame_id: str = "camera") -> Any:
    stamp = messages.make("builtin_interfaces/msg/Time", sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    return messages.make("std_msgs/msg/Header", stamp=stamp, frame_id=frame_id)


def wait_until(condition: Callable[[], Any], spin: Callable[[], None] = lambda: time.sleep(0.005)) -> None:
    """Go on as soon as `condition` holds; fail after a time that no machine needs."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "what was waited for did not happen"
        spin()


class Rig:
    """A node under test on one graph, a tester on another."""

    def __init__(self, model_file: Path, *parameters: str, make: Any = BodysegNode, remap: str = "") -> None:
        self.bus = Bus()
        fake = [f"model_path:={model_file}", "engine:=fake"] if make is BodysegNode else []
        arguments = [word for text in (*fake, *parameters) for word in ("-p", text)]
        name = make.__name__.removesuffix("Node").lower()
        self.graph = FakeGraph(name, self.bus, ["--ros-args", *arguments, *(["-r", remap] if remap else [])])
        self.tester = FakeGraph("tester", self.bus)
        self.node = make(self.graph)
        self.heard: dict[str, list[Any]] = {}
        self._publishers: dict[str, Any] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Rig:
        self._stack.callback(self.node.cleanup)
        self.node.configure()
        self._stack.callback(self.node.deactivate)
        self.node.activate()
        return self

    def __exit__(self, *reason: object) -> None:
        self._stack.close()

    def listen(self, topic: str, type_name: str = IMAGE, qos: Qos = DEEP) -> list[Any]:
        """What comes on a topic, in a list that grows while spin() is called."""
        heard = self.heard.setdefault(topic, [])
        self.subscription = self.tester.subscribe(topic, type_name, qos, heard.append)
        return heard

    def send(self, message: Any, topic: str = "/image", type_name: str = IMAGE) -> None:
        """Publish, and let the node's graph hand it over."""
        if topic not in self._publishers:
            self._publishers[topic] = self.tester.publisher(topic, type_name, LATCHED)
        self._publishers[topic].publish(message)
        self.graph.spin_once()

    def image(self, stamp_ns: int = 7, encoding: str = "bgr8", size: tuple[int, int] = (120, 160)) -> Any:
        channels = {"mono8": (), "rgba8": (4,)}.get(encoding, (3,))
        picture = np.random.default_rng(stamp_ns).integers(0, 256, (*size, *channels), np.uint8)
        return image_message(self.tester.messages, header_of(self.tester.messages, stamp_ns), picture, encoding)

    def spin(self) -> None:
        self.graph.spin_once()
        self.tester.spin_once(0.005)

    def wait(self, condition: Callable[[], Any]) -> None:
        wait_until(condition, self.spin)

    def warnings(self) -> list[str]:
        return [text for level, text in self.graph.said if level in ("warn", "error")]


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    """A model that the fake engine `reads`."""
    path = tmp_path / "drawn.onnx"
    path.touch()
    return path


@pytest.fixture
def rig(model_file: Path) -> Iterator[Callable[..., Rig]]:
    """Makes rigs that are taken down at the end."""
    with ExitStack() as stack:
        yield lambda *parameters, **options: stack.enter_context(Rig(model_file, *parameters, **options))
