"""The node as ROS 2's own command shows it to a user. Skipped where there is no ROS 2."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from bodyseg_ros.ros.graph import RELIABLE, SENSOR, Graph, Qos, open_graph
from bodyseg_ros.ros.graph.headers import make_header, stamp_ns
from bodyseg_ros.ros.graph.image_messages import image_message
from bodyseg_ros.ros.nodes.outputs import OUTPUTS

pytestmark = pytest.mark.skipif(shutil.which("ros2") is None, reason="the command ros2 is not here: no ROS 2")

ROOT = Path(__file__).resolve().parents[3]
NODE = "import sys; from bodyseg_ros.ros.nodes.bodyseg import main; main(sys.argv[2:], sys.argv[1])"
PATIENCE_S = 60.0
HEIGHT, WIDTH, FX, PEOPLE_M = 120, 160, 150.0, 2.0
LABELS = ("/bodyseg/label_info", "/bodyseg/mask/label_info")


@pytest.fixture(params=["dds", "rclpy"])
def node(request: pytest.FixtureRequest, domain: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """The node bodyseg with one drawn person, on either runtime; the runtime's name."""
    pytest.importorskip("cyclonedds" if request.param == "dds" else "rclpy")
    (tmp_path / "drawn.onnx").touch()
    given = ("-p", "engine:=fake", "-p", f"model_path:={tmp_path / 'drawn.onnx'}")
    path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(ROOT)]))
    process = subprocess.Popen(
        [sys.executable, "-c", NODE, request.param, "--ros-args", *given],
        env={**os.environ, **domain, "PYTHONPATH": path},
    )
    yield str(request.param)
    process.terminate()
    assert process.wait(timeout=20) == 0


@pytest.fixture
def robot(domain: dict[str, str]) -> Iterator[Robot]:
    robot = Robot()
    yield robot
    robot.graph.close()


class Robot:
    """Sends what a depth camera sends."""

    def __init__(self) -> None:
        self.graph: Graph = open_graph("robot", [], "rclpy")
        publisher = self.graph.publisher
        self._info = publisher("/camera_info", "sensor_msgs/msg/CameraInfo", Qos(depth=5))
        self._depth = publisher("/depth/image", "sensor_msgs/msg/Image", SENSOR)
        self._image = publisher("/image", "sensor_msgs/msg/Image", SENSOR)

    def send(self) -> None:
        messages = self.graph.messages
        header = make_header(messages, self.graph.now_ns(), "camera")
        k = np.array([FX, 0, WIDTH / 2, 0, FX, HEIGHT / 2, 0, 0, 1])
        self._info.publish(messages.make("sensor_msgs/msg/CameraInfo", header=header, height=HEIGHT, width=WIDTH, k=k))
        far = np.full((HEIGHT, WIDTH), round(PEOPLE_M * 1000), np.uint16)
        self._depth.publish(image_message(messages, header, far, "16UC1"))
        self._image.publish(image_message(messages, header, np.zeros((HEIGHT, WIDTH, 3), np.uint8), "rgb8"))

    def send_until(self, condition: Callable[[], object]) -> None:
        """Send pictures until a condition is true; fail if it never is."""
        end = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < end, "it did not happen in time"
            self.send()
            time.sleep(0.2)


def ros2(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["ros2", *words], capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def ros2_until(text: str, *words: str) -> str:
    """Ask again until the answer holds a text: discovery takes its time."""
    end = time.monotonic() + PATIENCE_S
    while text not in (answer := ros2(*words, "--no-daemon", "--spin-time", "2")).stdout:
        assert time.monotonic() < end, answer
    return answer.stdout


def echo(topic: str, type_name: str, durability: str = "volatile") -> subprocess.Popen[str]:
    qos = ("--qos-reliability", "reliable", "--qos-durability", durability)
    return subprocess.Popen(
        ["ros2", "topic", "echo", "--no-daemon", "--once", "--no-arr", *qos, topic, type_name],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_every_topic_can_be_echoed(node: str, robot: Robot) -> None:
    topics = {
        output.topic.replace("~", "/bodyseg"): output.type
        for output in OUTPUTS
        # BodyPix has no classes, and nothing begins in a still picture.
        if importlib.util.find_spec(output.type.partition("/")[0]) and output.topic not in ("~/classes", "~/events")
    }
    running = {topic: echo(topic, type_name) for topic, type_name in topics.items()}
    running |= {topic: echo(topic, "vision_msgs/msg/LabelInfo", "transient_local") for topic in LABELS}
    try:
        robot.send_until(lambda: all(process.poll() is not None for process in running.values()))
        said = {topic: process.communicate() for topic, process in running.items()}
    finally:
        for process in running.values():
            process.kill()
            process.communicate()
    assert {topic: process.returncode for topic, process in running.items()} == dict.fromkeys(running, 0), said
    heard: dict[str, Any] = {topic: next(yaml.safe_load_all(out)) for topic, (out, _) in said.items()}
    for topic, message in heard.items():
        if topic not in (*LABELS, "/bodyseg/markers"):
            assert message["header"]["frame_id"] == "camera", topic
    for name in ("mask", "parts", "instances", "confidence"):
        shown = heard[f"/bodyseg/{name}"]
        assert (shown["height"], shown["width"], shown["encoding"]) == (HEIGHT, WIDTH, "mono8")
    for name in ("parts_color", "overlay", "composite"):
        assert heard[f"/bodyseg/{name}"]["encoding"] == "rgb8"
        assert heard[f"/bodyseg/{name}/compressed"]["format"] == "jpeg"
    assert heard["/bodyseg/camera_info"]["width"] == WIDTH


def test_the_node_and_its_ends_are_listed(node: str) -> None:
    assert ros2_until("/bodyseg", "node", "list").split() == ["/bodyseg"]
    about = ros2_until("Publisher count: 1", "topic", "info", "-v", "/bodyseg/mask")
    words = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in about.splitlines())}
    assert (words["Node name"], words["Type"]) == ("bodyseg", "sensor_msgs/msg/Image")
    assert (words["Reliability"], words["Durability"]) == ("RELIABLE", "VOLATILE")
    assert words["Topic type hash"] == hash_in_ros("sensor_msgs", "Image")


def hash_in_ros(package: str, name: str) -> str:
    """The type hash (REP 2016) that ROS 2's own build wrote down."""
    from ament_index_python import get_package_share_directory

    described = Path(get_package_share_directory(package), "msg", f"{name}.json").read_text(encoding="utf-8")
    hashes = {one["type_name"]: one["hash_string"] for one in json.loads(described)["type_hashes"]}
    return str(hashes[f"{package}/msg/{name}"])


def test_a_parameter_shows_on_the_next_picture_or_is_refused_with_a_sentence(node: str, robot: Robot) -> None:
    heard: list[Any] = []
    robot.graph.subscribe("/bodyseg/mask", "sensor_msgs/msg/Image", RELIABLE, heard.append)

    def mask_of_the_next_picture() -> set[int]:
        """The values in the first mask of a picture that is sent from now on."""
        begun = robot.graph.now_ns()

        def later() -> list[Any]:
            robot.graph.spin_once(0.05)
            return [message for message in heard if stamp_ns(message.header) > begun]

        robot.send_until(later)
        return set(np.unique(later()[0].data).tolist())

    assert mask_of_the_next_picture() == {0, 255}
    done = ros2("param", "set", "--no-daemon", "--timeout", "30", "/bodyseg", "segmentation_threshold", "1.0")
    assert done.stdout.strip() == "Set parameter successful"
    assert mask_of_the_next_picture() == {0}
    done = ros2("param", "set", "--no-daemon", "--timeout", "30", "/bodyseg", "segmentation_threshold", "1.5")
    # Under rclpy the descriptor's range refuses it, before the node is asked.
    ours, ranges = (
        "segmentation_threshold is 1.5, but it must be a number from 0 to 1.",
        "out of range Min: 0.0, Max: 1.0",
    )
    assert done.stderr.startswith("Setting parameter failed: Parameter segmentation_threshold ")
    assert ours in done.stderr or (node == "rclpy" and ranges in done.stderr)
    shown = ros2("param", "get", "--no-daemon", "--timeout", "30", "/bodyseg", "segmentation_threshold")
    assert shown.stdout.strip() == "Double value is: 1.0"


def test_it_is_switched_off_and_on_by_its_lifecycle(node: str) -> None:
    assert ros2_until("active", "lifecycle", "get", "/bodyseg").strip() == "active [3]"
    assert ros2_until("successful", "lifecycle", "set", "/bodyseg", "deactivate").strip() == "Transitioning successful"
    assert ros2_until("inactive", "lifecycle", "get", "/bodyseg").strip() == "inactive [2]"
    ros2_until("successful", "lifecycle", "set", "/bodyseg", "activate")
    assert ros2_until("active [3]", "lifecycle", "get", "/bodyseg").strip() == "active [3]"


def test_a_launch_file_brings_topics_and_parameters(robot: Robot, tmp_path: Path) -> None:
    packages = pytest.importorskip("ament_index_python")
    try:
        packages.get_package_prefix("bodyseg_ros")
    except packages.PackageNotFoundError:
        pytest.skip("the package is not built in a sourced workspace: colcon build")
    (tmp_path / "drawn.onnx").touch()
    file = tmp_path / "params.yaml"
    file.write_text(
        "/**:\n  ros__parameters:\n    engine: fake\n    segmentation_threshold: 0.25\n"
        f"    effects: [pixelate, mirror]\n    model_path: {tmp_path / 'drawn.onnx'}\n"
    )
    given = ("namespace:=front", "image:=/camera/color", "depth:=/camera/depth", f"params_file:={file}")
    launch = subprocess.Popen(["ros2", "launch", "bodyseg_ros", "bodyseg.launch.py", *given])
    try:
        heard: set[str] = set()
        robot.send_until(lambda: {"/camera/color", "/camera/depth"} <= heard or heard.update(subscribed(robot.graph)))
        for name, value in (
            ("segmentation_threshold", "Double value is: 0.25"),
            ("effects", "String values are: ['pixelate', 'mirror']"),
        ):
            assert value in ros2("param", "get", "--no-daemon", "--timeout", "30", "/front/bodyseg", name).stdout
    finally:
        launch.send_signal(signal.SIGINT)
        assert launch.wait(timeout=30) in (0, 1)


def subscribed(graph: Graph) -> set[str]:
    """The topics that the launched node listens to."""
    return {end.topic for end in graph.endpoints() if end.node == "/front/bodyseg" and not end.publishes}
