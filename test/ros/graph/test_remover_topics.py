"""Depth, clouds, scans and the compositor on each runtime: stamps that are zero, repeated, or jump back, and no masks.

Every message carries the number of its moment, so a pair of two moments would show.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bodyseg_ros.ros.graph import LATCHED, RELIABLE, Graph, Qos, open_graph
from bodyseg_ros.ros.graph.cloud_messages import read_points
from bodyseg_ros.ros.graph.fake_graph import Bus, FakeGraph
from bodyseg_ros.ros.graph.headers import stamp_ns
from bodyseg_ros.ros.graph.image_messages import image_message, read_depth, read_image
from bodyseg_ros.ros.nodes.bodyseg import BodysegNode
from bodyseg_ros.ros.nodes.compositor import CompositorNode
from scene import cloud_message

ROOT = Path(__file__).resolve().parents[3]
RUNTIMES = [
    "fake",
    pytest.param("dds", marks=pytest.mark.skipif(not importlib.util.find_spec("cyclonedds"), reason="no cyclonedds")),
    pytest.param("zenoh", marks=pytest.mark.skipif(not importlib.util.find_spec("zenoh"), reason="no eclipse-zenoh")),
    pytest.param("rclpy", marks=pytest.mark.skipif(not importlib.util.find_spec("rclpy"), reason="no ROS 2 here")),
]
FAKE_NODES: dict[str, Any] = {"bodyseg": BodysegNode, "compositor": CompositorNode}
NODE = "import sys; from bodyseg_ros.ros.nodes.{} import main; main(sys.argv[2:], sys.argv[1])"
IMAGE, CLOUD, SCAN = "sensor_msgs/msg/Image", "sensor_msgs/msg/PointCloud2", "sensor_msgs/msg/LaserScan"
SIZE, S = (60, 80), 1_000_000_000
DEEP = Qos(depth=50)
#: The first second of the recording that starts again, and of the one before it.
AGAIN_S, BEFORE_S = 100, 500


class Robot:
    """Somebody who publishes moments and hears what a node makes of them."""

    def __init__(self, graph: Graph, node: str, inputs: dict[str, str]) -> None:
        self.graph, self.outputs = graph, {}
        self.facts: dict[str, str] = {}
        self.moment = 0
        self._publishers = {topic: graph.publisher(topic, type_name, DEEP) for topic, type_name in inputs.items()}
        self._node = node
        graph.subscribe("/diagnostics", "diagnostic_msgs/msg/DiagnosticArray", DEEP, self._diagnose)

    def hear(self, topic: str, type_name: str, number: Callable[[Any], int]) -> None:
        """number: which moment a message is of."""
        heard = self.outputs.setdefault(topic, [])
        self.graph.subscribe(topic, type_name, RELIABLE, lambda one: heard.append((stamp_ns(one.header), number(one))))

    def _diagnose(self, message: Any) -> None:
        for status in message.status:
            if self._node in status.name:
                self.facts = {pair.key: pair.value for pair in status.values}

    def counted(self, name: str) -> int:
        """What the node's diagnostics say."""
        return int(self.facts.get(name, 0))

    @property
    def bad(self) -> int:
        return self.counted("bad_frames")

    def header(self, stamp: int, frame_id: str = "camera") -> Any:
        make = self.graph.messages.make
        time_of = make("builtin_interfaces/msg/Time", sec=stamp // S, nanosec=stamp % S)
        return make("std_msgs/msg/Header", stamp=time_of, frame_id=frame_id)

    def send(self, message: Any, topic: str) -> None:
        self._publishers[topic].publish(message)

    def until(self, condition: Callable[[], Any], again: Callable[[], None] = lambda: None) -> None:
        """Serve the graph until it is so; every half second, do it again."""
        end, next_time = time.monotonic() + 60, 0.0
        while not condition():
            assert time.monotonic() < end, (self.outputs, self.facts)
            if time.monotonic() >= next_time:
                again()
                next_time = time.monotonic() + 0.5
            self.graph.spin_once(0.02)

    def until_paired(self, start_s: int, send: Callable[[int], None]) -> dict[int, int]:
        """Send new moments from a second on until each topic has one of them. Returns their numbers by stamp."""
        numbers: dict[int, int] = {}
        first = {topic: len(heard) for topic, heard in self.outputs.items()}

        def another() -> None:
            self.moment += 1
            stamp = (start_s + self.moment) * S
            numbers[stamp] = self.moment
            send(stamp)

        def heard_everywhere() -> bool:
            heard = self.outputs.items()
            return all(any(stamp in numbers for stamp, _ in messages[first[topic] :]) for topic, messages in heard)

        self.until(heard_everywhere, another)
        return numbers

    def until_refused(self, send: Callable[[], None], count: int) -> None:
        """Send until the node has counted so many refused messages more."""
        most = self.bad + count
        self.until(lambda: self.bad >= most, send)


@contextmanager
def node(runtime: str, domain: dict[str, str], module: str, values: dict[str, Any]) -> Iterator[Graph]:
    """A graph beside a node in its own process; on the fake one, in its own thread."""
    arguments = [word for name, value in values.items() for word in ("-p", f"{name}:={value}")]
    if runtime == "fake":
        bus = Bus()
        running = FakeGraph(module, bus, ["--ros-args", *arguments])
        thread = threading.Thread(target=lambda: running.spin(FAKE_NODES[module](running)))
        thread.start()
        try:
            yield FakeGraph("robot", bus)
        finally:
            running.shutdown()
            thread.join(20)
        assert not thread.is_alive()
        running.close()
        return
    path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(ROOT)]))
    process = subprocess.Popen(
        [sys.executable, "-c", NODE.format(module), runtime, "--ros-args", *arguments],
        env={**os.environ, **domain, "PYTHONPATH": path},
    )
    graph = open_graph("robot", [], runtime)
    try:
        yield graph
    finally:
        graph.close()
        process.terminate()
    assert process.wait(timeout=20) == 0


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_people_go_from_depth_clouds_and_scans_of_their_own_moment(
    runtime: str, domain: dict[str, str], tmp_path: Path
) -> None:
    with remover(runtime, domain, tmp_path) as (robot, masks):

        def measure(stamp: int) -> None:
            send_measured(robot, stamp)

        def moment(stamp: int) -> None:
            send_image(robot, stamp)
            measure(stamp)

        numbers = robot.until_paired(BEFORE_S, moment)
        robot.until(lambda: masks)
        assert (read_image(masks[-1]).image[..., 0] == 255).any()

        robot.until_refused(lambda: moment(0), 4)
        repeated = (BEFORE_S + robot.moment + 1) * S
        robot.moment += 1
        robot.until_refused(lambda: measure(repeated), 3)
        send_image(robot, repeated)
        numbers |= robot.until_paired(BEFORE_S + 1, moment)

        numbers |= robot.until_paired(AGAIN_S, moment)
        clouds, scans = (len(robot.outputs[f"/bodyseg/{name}_without_people"]) for name in ("points", "scan"))
        robot.until(lambda: robot.counted("points_judged") >= clouds and robot.counted("scan_judged") >= scans)
        assert min(robot.counted(f"{name}_without_mask") for name in ("points", "scan")) >= 2  # zero, repeated
    check(robot, numbers, never=repeated)


@pytest.mark.parametrize("without_mask", ["drop", "pass"])
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_without_a_mask_clouds_and_scans_go_as_said_and_depth_never(
    runtime: str, domain: dict[str, str], tmp_path: Path, without_mask: str
) -> None:
    with remover(runtime, domain, tmp_path, without_mask=without_mask, removal_wait=0.1) as (robot, _):

        def measure() -> None:
            robot.moment += 1
            send_measured(robot, (BEFORE_S + robot.moment) * S)

        robot.until(lambda: min(robot.counted(f"{name}_without_mask") for name in ("points", "scan")) >= 3, measure)
        clouds, scans = (f"/bodyseg/{name}_without_people" for name in ("points", "scan"))
        if without_mask == "pass":
            robot.until(lambda: len(robot.outputs[clouds]) >= 3 and len(robot.outputs[scans]) >= 3)
        passed = {topic for topic, messages in robot.outputs.items() if messages}
        assert passed == ({clouds, scans} if without_mask == "pass" else set())
        assert robot.counted("points_judged") == robot.counted("scan_judged") == 0
        for topic in passed:
            for stamp, number in robot.outputs[topic]:
                assert number == stamp // S - BEFORE_S


@contextmanager
def remover(runtime: str, domain: dict[str, str], tmp_path: Path, **more: Any) -> Iterator[tuple[Robot, list[Any]]]:
    """(somebody who hears all that the node bodyseg takes people from, the masks that come)."""
    (tmp_path / "drawn.onnx").touch()
    values = {
        "engine": "fake",
        "model_path": tmp_path / "drawn.onnx",
        "internal_resolution": "full",
        "removal_margin_px": 0,
        "removal_slop": 0.0,
        "diagnostics_period": 0.1,
    }
    inputs = {"/image": IMAGE, "/depth/image": IMAGE, "/points": CLOUD, "/scan": SCAN}
    inputs |= {"/camera_info": "sensor_msgs/msg/CameraInfo"}
    with node(runtime, domain, "bodyseg", values | more) as graph:
        robot = Robot(graph, "bodyseg", inputs)
        masks: list[Any] = []
        graph.subscribe("/bodyseg/mask", IMAGE, RELIABLE, masks.append)
        whole = "without_mask" in more
        robot.hear("/bodyseg/depth_without_people", IMAGE, depth_number)
        robot.hear("/bodyseg/points_without_people", CLOUD, lambda one: cloud_number(one, people=False, whole=whole))
        robot.hear("/bodyseg/points_people", CLOUD, lambda one: cloud_number(one, people=True))
        robot.hear("/bodyseg/scan_without_people", SCAN, lambda one: scan_number(one, whole=whole))
        graph.publisher("/tf_static", "tf2_msgs/msg/TFMessage", LATCHED).publish(
            graph.messages.make("tf2_msgs/msg/TFMessage", transforms=[laser_in_camera(robot)])
        )
        yield robot, masks


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_compositor_takes_image_and_mask_of_one_moment(runtime: str, domain: dict[str, str]) -> None:
    values = {"effects": "[virtual_background]", "virtual_background.feather_px": 0, "diagnostics_period": 0.1}
    with node(runtime, domain, "compositor", values) as graph:
        robot = Robot(graph, "compositor", {"/image": IMAGE, "/mask": IMAGE})

        def composed_number(message: Any) -> int:
            image = read_image(message).image
            number = int(image[0, 0, 0])
            # The mask's left part is as many columns wide as its moment's number says.
            assert (image[:, :number] == number).all()
            assert (image[:, number:] == (0, 110, 80)).all()
            return number

        robot.hear("/compositor/composite", IMAGE, composed_number)

        def send_mask(stamp: int) -> None:
            mask = np.zeros(SIZE, np.uint8)
            mask[:, : robot.moment] = 255
            robot.send(image_message(graph.messages, robot.header(stamp), mask, "mono8"), "/mask")

        def moment(stamp: int) -> None:
            send_image(robot, stamp)
            send_mask(stamp)

        numbers = robot.until_paired(BEFORE_S, moment)
        robot.until_refused(lambda: moment(0), 2)
        robot.moment += 1
        repeated = (BEFORE_S + robot.moment) * S
        robot.until_refused(lambda: send_image(robot, repeated), 1)
        send_mask(repeated)
        numbers |= robot.until_paired(BEFORE_S, moment)
        numbers |= robot.until_paired(AGAIN_S, moment)
    check(robot, numbers, never=repeated)


def check(robot: Robot, numbers: dict[int, int], never: int) -> None:
    """Everything that was published is of its stamp's moment; nothing is of an ambiguous one."""
    for topic, messages in robot.outputs.items():
        assert messages
        for stamp, number in messages:
            assert stamp not in (0, never), topic
            assert numbers[stamp] == number, topic


def send_image(robot: Robot, stamp: int) -> None:
    image = np.full((*SIZE, 3), robot.moment, np.uint8)
    robot.send(image_message(robot.graph.messages, robot.header(stamp), image, "rgb8"), "/image")


def send_measured(robot: Robot, stamp: int) -> None:
    """A wall at 2 m and as many mm as the moment's number says."""
    messages, meters = robot.graph.messages, 2 + robot.moment / 1000
    k = np.array([50.0, 0, 40, 0, 50, 30, 0, 0, 1])
    header = robot.header(stamp)
    info = messages.make("sensor_msgs/msg/CameraInfo", header=header, height=SIZE[0], width=SIZE[1], k=k)
    robot.send(info, "/camera_info")
    depth = np.full(SIZE, round(1000 * meters), np.uint16)
    robot.send(image_message(messages, header, depth, "16UC1"), "/depth/image")
    row, column = np.mgrid[: SIZE[0] : 2, : SIZE[1] : 2]
    rays = np.stack([(column - 40) / 50, (row - 30) / 50, np.ones(row.shape)], -1).reshape(-1, 3)
    robot.send(cloud_message(messages, header, (rays * meters).astype(np.float32)), "/points")
    angles = -0.6 + 0.02 * np.arange(61)
    scan = messages.make(
        SCAN,
        header=robot.header(stamp, "laser"),
        angle_min=-0.6,
        angle_max=0.6,
        angle_increment=0.02,
        range_min=0.1,
        range_max=9.0,
        ranges=(meters / np.cos(angles)).astype(np.float32),
    )
    robot.send(scan, "/scan")


def depth_number(message: Any) -> int:
    depth = read_depth(message)
    people = depth == 0
    assert 0 < people.sum() < people.size
    return only(depth[~people] - 2000)


def cloud_number(message: Any, *, people: bool, whole: bool = False) -> int:
    """people: whether they are alone in it. whole: whether nothing was taken from it."""
    points = read_points(message).points
    count = SIZE[0] * SIZE[1] // 4
    assert len(points) == count if whole else 0 < len(points) < count
    # The person of the fake engine stands in the middle.
    in_the_middle = np.abs(points[:, :2]).max(axis=1) < 0.1
    assert in_the_middle.any() == (people or whole)
    return only(np.rint(1000 * (points[:, 2] - 2)))


def scan_number(message: Any, *, whole: bool = False) -> int:
    ranges = np.asarray(message.ranges)
    people = np.isnan(ranges)
    assert people[30] != whole and not people[[0, 60]].any()
    ahead = ranges * np.cos(-0.6 + 0.02 * np.arange(61))
    return only(np.rint(1000 * (ahead[~people] - 2)))


def only(values: np.ndarray) -> int:
    (value,) = np.unique(values)
    return int(value)


def laser_in_camera(robot: Robot) -> Any:
    """The scanner looks where the camera looks, and lies level."""
    make = robot.graph.messages.make
    transform = make(
        "geometry_msgs/msg/Transform",
        translation=make("geometry_msgs/msg/Vector3", x=0.0, y=0.0, z=0.0),
        rotation=make("geometry_msgs/msg/Quaternion", x=0.5, y=-0.5, z=0.5, w=0.5),
    )
    return make(
        "geometry_msgs/msg/TransformStamped", header=robot.header(1), child_frame_id="laser", transform=transform
    )
