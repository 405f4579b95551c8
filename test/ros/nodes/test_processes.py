"""The nodes as processes of their own, on a real DDS graph."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rosbags.highlevel import AnyReader

from scene import cloud_message

pytest.importorskip("cyclonedds", reason="the dds runtime is not installed: pip install '.[dds]'")

from bodyseg_ros.media import write_photo
from bodyseg_ros.ros.graph.cloud_messages import read_points
from bodyseg_ros.ros.graph.headers import stamp_ns
from bodyseg_ros.ros.graph.image_messages import image_message
from bodyseg_ros.ros.graph.loopback import private_environment
from bodyseg_ros.ros.graph.open_graph import open_graph, usual_runtime
from bodyseg_ros.ros.graph.port import Graph
from bodyseg_ros.ros.graph.qos import LATCHED, SENSOR
from bodyseg_ros.ros.nodes.outputs import OUTPUTS
from bodyseg_ros.ros.processes import NodeProcess

from .conftest import DEEP, IMAGE, header_of, wait_until

DIAGNOSTICS = "diagnostic_msgs/msg/DiagnosticArray"
MAPS = ("mask", "parts", "instances", "confidence")


class Neighbor:
    """This process on the graph."""

    def __init__(self) -> None:
        self.graph: Graph = open_graph("tester", [], "dds")
        self.heard: dict[str, list[Any]] = {}
        self.subscriptions: dict[str, Any] = {}
        self._publishers: dict[str, Any] = {}

    def listen(self, topic: str, type_name: str = IMAGE, qos: Any = DEEP) -> list[Any]:
        heard = self.heard.setdefault(topic, [])
        self.subscriptions[topic] = self.graph.subscribe(topic, type_name, qos, heard.append)
        return heard

    def wait(self, condition: Callable[[], Any]) -> None:
        wait_until(condition, lambda: self.graph.spin_once(0.02))

    def connect(self, *topics: str) -> None:
        """Wait until the node hears these topics, and is heard on all that this process listens to."""
        for topic in topics:
            self._publishers[topic] = self.graph.publisher(topic, IMAGE, SENSOR)
        self.wait(lambda: all(publisher.subscriptions for publisher in self._publishers.values()))
        self.wait(lambda: all(subscription.publishers for subscription in self.subscriptions.values()))

    def send(self, topic: str, stamp_ns: int, size: tuple[int, int] = (120, 160), frame_id: str = "camera") -> None:
        messages = self.graph.messages
        picture = np.full((*size, 3), 90, np.uint8)
        self._publishers[topic].publish(
            image_message(messages, header_of(messages, stamp_ns, frame_id), picture, "bgr8")
        )

    def send_until(self, condition: Callable[[], Any], topic: str = "/image", **how: Any) -> None:
        """Go on sending: pictures come best effort, and a first one may be lost while the two find each other."""

        def again() -> None:
            self.send(topic, **how)
            self.graph.spin_once(0.05)

        wait_until(condition, again)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    private = private_environment()
    for name, value in private.items():
        monkeypatch.setenv(name, value)
    return private


@pytest.fixture
def tester(environment: dict[str, str]) -> Iterator[Neighbor]:
    tester = Neighbor()
    yield tester
    tester.graph.close()


@pytest.fixture
def start(environment: dict[str, str], model_file: Path) -> Iterator[Callable[..., NodeProcess]]:
    """Starts nodes; `bodyseg` with the fake engine and ready."""
    with ExitStack() as stack:

        def run(node: str, parameters: dict[str, object], *arguments: str) -> NodeProcess:
            fake = {"engine": "fake", "model_path": model_file} if node == "bodyseg" else {}
            process = stack.enter_context(NodeProcess(node, environment, fake | parameters, arguments))
            if node == "bodyseg":
                process.wait_for(" runs on ")
            return process

        yield run


Start = Callable[..., NodeProcess]


def values_of(message: Any) -> dict[str, str]:
    return {item.key: item.value for item in message.status[0].values}


def test_an_image_in_and_every_topic_out(start: Start, tester: Neighbor) -> None:
    start("bodyseg", {})
    for output in OUTPUTS:
        installed = usual_runtime() != "rclpy" or find_spec(output.type.partition("/")[0])
        # The camera is not calibrated and has no depth; BodyPix has no classes.
        if installed and not output.in_space and output.topic not in ("~/camera_info", "~/classes"):
            tester.listen(output.topic.replace("~", "/bodyseg"), output.type)
    late = tester.listen("/bodyseg/label_info", "vision_msgs/msg/LabelInfo", LATCHED)
    tester.connect("/image")
    tester.send_until(lambda: all(tester.heard.values()), stamp_ns=1_700_000_000_123_456_789)
    for topic, messages in tester.heard.items():
        if topic != "/bodyseg/label_info":
            header = messages[0].header
            assert (header.stamp.sec, header.stamp.nanosec) == (1_700_000_000, 123_456_789), topic
            assert header.frame_id == "camera", topic
    for name in MAPS:
        message = tester.heard[f"/bodyseg/{name}"][0]
        assert (message.encoding, message.height, message.width, len(message.data)) == ("mono8", 120, 160, 19200)
    assert len(late[0].class_map) == 25


def test_a_cloud_without_people_comes_back(start: Start, tester: Neighbor) -> None:
    """Image, CameraInfo, tf and cloud over the network: the lidar's axes are x ahead, y left, z up."""
    start("bodyseg", {"internal_resolution": "full", "removal_margin_px": 0})
    make, cloud = tester.graph.messages.make, "sensor_msgs/msg/PointCloud2"
    info_type, tf_type = "sensor_msgs/msg/CameraInfo", "tf2_msgs/msg/TFMessage"
    without, people = (tester.listen(f"/bodyseg/points_{name}", cloud) for name in ("without_people", "people"))
    tester.connect("/image")
    info, points = tester.graph.publisher("/camera_info", info_type), tester.graph.publisher("/points", cloud)
    transform = make(
        "geometry_msgs/msg/TransformStamped",
        header=header_of(tester.graph.messages, 0, "camera"),
        child_frame_id="lidar",
        transform=make(
            "geometry_msgs/msg/Transform",
            rotation=make("geometry_msgs/msg/Quaternion", x=0.5, y=-0.5, z=0.5, w=0.5),
        ),
    )
    tester.graph.publisher("/tf_static", tf_type, LATCHED).publish(make(tf_type, transforms=[transform]))
    k = np.array([100.0, 0, 80, 0, 100, 60, 0, 0, 1])
    calibration = make(info_type, height=120, width=160, k=k)
    row, column = np.mgrid[:120, :160]
    seen = np.stack([np.full(row.shape, 2.0), (80 - column) / 50, (60 - row) / 50], -1).reshape(-1, 3)
    stamp = 0

    def again() -> None:
        nonlocal stamp
        stamp += 100_000_000
        info.publish(calibration)
        points.publish(cloud_message(tester.graph.messages, header_of(tester.graph.messages, stamp, "lidar"), seen))
        tester.send("/image", stamp_ns=stamp)
        tester.graph.spin_once(0.1)

    wait_until(lambda: without and people, again)
    kept = {stamp_ns(message.header): read_points(message).points for message in without}
    for message in people:
        theirs = read_points(message).points
        if stamp_ns(message.header) in kept:
            both = np.concatenate((kept[stamp_ns(message.header)], theirs))
            assert 0 < len(theirs) < len(seen)
            assert {tuple(point) for point in both} == {tuple(point) for point in seen.astype(np.float32)}
            break
    else:
        pytest.fail("no two clouds are of one moment")


def test_two_cameras_in_one_process(start: Start, tester: Neighbor) -> None:
    sizes = {"front": (120, 160), "rear": (96, 128)}
    process = start("bodyseg", {"cameras": "[front, rear]"}, "-r", "image:=camera/image_raw")
    for namespace in sizes:
        tester.listen(f"/{namespace}/bodyseg/mask")
    tester.connect(*(f"/{namespace}/camera/image_raw" for namespace in sizes))
    for namespace, size in sizes.items():
        heard = tester.heard[f"/{namespace}/bodyseg/mask"]
        topic = f"/{namespace}/camera/image_raw"
        tester.send_until(lambda heard=heard: heard, topic, stamp_ns=5, size=size, frame_id=namespace)
    for namespace, size in sizes.items():
        for message in tester.heard[f"/{namespace}/bodyseg/mask"]:
            assert ((message.height, message.width), message.header.frame_id) == (size, namespace)
    assert process.stop() == 0


def test_a_subscriber_that_comes_and_goes_starts_and_stops_the_work(start: Start, tester: Neighbor) -> None:
    start("bodyseg", {"diagnostics_period": 0.1})
    said = tester.listen("/diagnostics", DIAGNOSTICS)
    tester.connect("/image")

    def counts() -> tuple[int, int]:
        return tuple(int(values_of(said[-1])[name]) if said else 0 for name in ("frames_in", "frames_out"))

    tester.send_until(lambda: counts()[0] >= 3, stamp_ns=1)
    assert counts()[1] == 0
    mask = tester.listen("/bodyseg/mask")
    tester.send_until(lambda: mask and counts()[1] > 0, stamp_ns=2)
    tester.subscriptions.pop("/bodyseg/mask").close()
    idle = len(said)
    tester.send_until(lambda: any(message.status[0].message == "idle" for message in said[idle:]), stamp_ns=3)
    frames_in, frames_out = counts()
    tester.send_until(lambda: counts()[0] >= frames_in + 3, stamp_ns=4)
    assert counts()[1] == frames_out


def test_a_camera_faster_than_the_node(start: Start, tester: Neighbor, tmp_path: Path) -> None:
    write_photo(tmp_path / "photo.png", np.full((48, 64, 3), 90, np.uint8))
    start("bodyseg", {"fake.delay_ms": 100, "diagnostics_period": 0.2, "pose_details": False})
    said, mask = tester.listen("/diagnostics", DIAGNOSTICS), tester.listen("/bodyseg/mask")
    start("camera", {"source": tmp_path / "photo.png", "rate": 100})
    tester.connect()
    tester.wait(lambda: len(mask) >= 5 and said and int(values_of(said[-1])["dropped"]) >= 20)
    values = {name: int(text) for name, text in values_of(said[-1]).items() if text.isdigit()}
    # Everything that came is out, dropped, or one of the two that are in hand and in the box.
    assert 0 <= values["frames_in"] - values["frames_out"] - values["dropped"] <= 2
    assert values["bad_frames"] == values["errors"] == 0
    stamps = [message.header.stamp.sec * 10**9 + message.header.stamp.nanosec for message in mask]
    assert stamps == sorted(set(stamps))


def test_parameters_by_file_and_argument(start: Start, tester: Neighbor, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(
        "/**:\n  ros__parameters:\n    confidence_encoding: 32FC1\n    fake: {people: 0}\n"
        "robot/bodyseg:\n  ros__parameters:\n    fake: {people: 4}\n"
    )
    start("bodyseg", {"pose_details": False}, "--params-file", str(path), "-p", "fake.people:=2")
    confidence = tester.listen("/bodyseg/confidence")
    poses = tester.listen("/bodyseg/poses", "bodyseg_ros/msg/PersonPoseArray")
    tester.connect("/image")
    tester.send_until(lambda: confidence and poses, stamp_ns=1, size=(240, 320))
    assert confidence[0].encoding == "32FC1"
    assert len(poses[0].persons) == 2


def test_a_wrong_parameter_ends_the_node_with_a_sentence(environment: dict[str, str]) -> None:
    with NodeProcess("bodyseg", environment, {"segmentation_threshold": 7}) as node:
        assert node.wait(60) == 1
    assert "bodyseg: Parameter segmentation_threshold is 7, but it must be a number from 0 to 1." in node.said
    assert "Traceback" not in node.said


def test_a_recorder_reports_what_it_heard(start: Start, tester: Neighbor, tmp_path: Path) -> None:
    write_photo(tmp_path / "photo.png", np.full((48, 64, 3), 90, np.uint8))
    report = tmp_path / "report.json"
    topics = "[/camera_info:sensor_msgs/msg/CameraInfo,/image:sensor_msgs/msg/Image]"
    recorder = start("recorder", {"topics": topics, "messages": 10, "report": report, "bag": tmp_path / "bag.mcap"})
    start("camera", {"source": tmp_path / "photo.png", "rate": 50})
    assert recorder.wait(60) == 0
    row = json.loads(report.read_text())["topics"]["/camera_info"]
    assert row["messages"] == row["stamps"] >= 10
    with AnyReader([tmp_path / "bag.mcap"]) as reader:
        infos = [connection for connection in reader.connections if connection.topic == "/camera_info"]
        times = [
            (time_ns, stamp_ns(reader.deserialize(raw, connection.msgtype).header))
            for connection, time_ns, raw in reader.messages(infos)
        ]
    assert row["messages"] == len(times)
    latencies_ms = [(arrived - stamped) / 1e6 for arrived, stamped in times]
    assert row["latency_median_ms"] == pytest.approx(statistics.median(latencies_ms))
    assert sorted(latencies_ms)[-2] <= row["latency_p99_ms"] <= max(latencies_ms)
    span_s = (times[-1][0] - times[0][0]) / 1e9
    assert row["rate_hz"] == pytest.approx((len(times) - 1) / span_s)
    assert (tmp_path / "bag.mcap").stat().st_size > 10 * 48 * 64 * 3 * 0.8
