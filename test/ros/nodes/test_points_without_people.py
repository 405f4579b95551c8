"""The node's clouds and scans without people, with the fake engine's person before a wall."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bodyseg_ros.ros.graph.cloud_messages import read_points
from bodyseg_ros.ros.graph.image_messages import read_image
from bodyseg_ros.ros.graph.qos import LATCHED
from scene import cloud_message

from .conftest import Rig, header_of

Rigs = Callable[..., Rig]
CLOUD, SCAN, TF = "sensor_msgs/msg/PointCloud2", "sensor_msgs/msg/LaserScan", "tf2_msgs/msg/TFMessage"
INFO = "sensor_msgs/msg/CameraInfo"
OUT, PEOPLE, SCAN_OUT = "/bodyseg/points_without_people", "/bodyseg/points_people", "/bodyseg/scan_without_people"
SIZE = (120, 160)
S = 1_000_000_000


@pytest.fixture
def node(rig: Rigs) -> Rig:
    return start(rig)


def start(rig: Rigs, *parameters: str) -> Rig:
    made = rig("internal_resolution:=full", "removal_margin_px:=0", "removal_wait:=0.2", *parameters)
    k = np.array([100.0, 0, 80, 0, 100, 60, 0, 0, 1])
    made.send(made.tester.messages.make(INFO, height=SIZE[0], width=SIZE[1], k=k), "/camera_info", INFO)
    return made


def plane(distance: float) -> np.ndarray:
    """A point in the middle of each of the picture's pixels, in the camera's frame; row by row."""
    row, column = np.mgrid[: SIZE[0], : SIZE[1]]
    rays = np.stack([(column - 80) / 100, (row - 60) / 100, np.ones(SIZE)], -1).reshape(-1, 3)
    return (rays * distance).astype(np.float32)


def send_cloud(rig: Rig, points: np.ndarray, stamp_ns: int = 7 * S, rows: int = 1, frame_id: str = "camera") -> Any:
    header = header_of(rig.tester.messages, stamp_ns, frame_id)
    message = cloud_message(rig.tester.messages, header, points, rows)
    rig.send(message, "/points", CLOUD)
    return message


def send_transform(
    rig: Rig, parent: str, child: str, shift: tuple[float, float, float], turn: tuple[float, ...]
) -> None:
    make = rig.tester.messages.make
    vector = make("geometry_msgs/msg/Vector3", **dict(zip("xyz", shift, strict=True)))
    rotation = make("geometry_msgs/msg/Quaternion", **dict(zip("xyzw", turn, strict=True)))
    one = make(
        "geometry_msgs/msg/TransformStamped",
        header=header_of(rig.tester.messages, 0, parent),
        child_frame_id=child,
        transform=make("geometry_msgs/msg/Transform", translation=vector, rotation=rotation),
    )
    rig.tester.publisher("/tf_static", TF, LATCHED).publish(make(TF, transforms=[one]))


def person_of(rig: Rig, masks: list[Any]) -> np.ndarray:
    rig.wait(lambda: masks)
    return (read_image(masks[-1]).image[..., 0] == 255).ravel()


def test_peoples_points_are_left_out_and_are_on_a_topic_of_their_own(node: Rig) -> None:
    heard, people, masks = node.listen(OUT, CLOUD), node.listen(PEOPLE, CLOUD), node.listen("/bodyseg/mask")
    points = plane(2.0)
    node.send(node.image(stamp_ns=7 * S, size=SIZE))
    sent = send_cloud(node, points)
    node.wait(lambda: heard and people)
    person = person_of(node, masks)
    assert 0 < person.sum() < person.size
    np.testing.assert_array_equal(read_points(heard[0]).points, points[~person])
    np.testing.assert_array_equal(read_points(people[0]).points, points[person])
    assert (heard[0].header, heard[0].fields) == (sent.header, sent.fields)


def test_an_organized_cloud_has_nan_there(node: Rig) -> None:
    heard, masks = node.listen(OUT, CLOUD), node.listen("/bodyseg/mask")
    send_cloud(node, plane(2.0), rows=SIZE[0])
    node.send(node.image(stamp_ns=7 * S, size=SIZE))
    node.wait(lambda: heard)
    person = person_of(node, masks)
    points = read_points(heard[0]).points
    assert np.isnan(points[person]).all()
    np.testing.assert_array_equal(points[~person], plane(2.0)[~person])
    assert (heard[0].height, heard[0].width, heard[0].is_dense) == (*SIZE, False)


def test_points_of_another_sensor_come_through_tf(node: Rig) -> None:
    """The lidar's axes are x ahead, y left, z up; it stands 0.3 m above the camera."""
    heard, masks = node.listen(OUT, CLOUD), node.listen("/bodyseg/mask")
    x, y, z = plane(2.0).T
    points = np.stack([z, -x, -y - 0.3], -1)
    node.send(node.image(stamp_ns=7 * S, size=SIZE))
    send_cloud(node, points, frame_id="lidar")
    send_transform(node, "camera", "lidar", (0.0, -0.3, 0.0), (0.5, -0.5, 0.5, 0.5))
    node.wait(lambda: heard)
    np.testing.assert_allclose(read_points(heard[0]).points, points[~person_of(node, masks)])


def test_a_scans_beams_on_people_are_nan(node: Rig) -> None:
    heard, masks = node.listen(SCAN_OUT, SCAN), node.listen("/bodyseg/mask")
    send_transform(node, "camera", "laser", (0.0, 0.0, 0.0), (0.5, -0.5, 0.5, 0.5))
    step = 0.01
    angles = np.float32(-0.6) + step * np.arange(121)
    scan = node.tester.messages.make(
        SCAN,
        header=header_of(node.tester.messages, 7 * S, "laser"),
        angle_min=-0.6,
        angle_max=0.6,
        angle_increment=step,
        range_min=0.1,
        range_max=9.0,
        ranges=(2 / np.cos(angles)).astype(np.float32),
    )
    node.send(node.image(stamp_ns=7 * S, size=SIZE))
    node.send(scan, "/scan", SCAN)
    node.wait(lambda: heard)
    row = person_of(node, masks).reshape(SIZE)[60]
    column = np.rint(80 - 100 * np.tan(angles)).astype(int)  # left is where y is positive, and x small
    expected = row[np.clip(column, 0, 159)] & (column >= 0) & (column < 160)
    assert expected.any()
    np.testing.assert_array_equal(np.isnan(heard[0].ranges), expected)
    np.testing.assert_array_equal(np.asarray(heard[0].ranges)[~expected], scan.ranges[~expected])


@pytest.mark.parametrize(("policy", "comes"), [("drop", 0), ("pass", 1)])
@pytest.mark.parametrize("missing", ["mask", "transform", "camera_info"])
def test_what_cannot_be_judged_is_dropped_or_passed_as_said_and_counted(
    rig: Rigs, policy: str, comes: int, missing: str
) -> None:
    parameters = (f"without_mask:={policy}",)
    node = rig("removal_wait:=0.1", *parameters) if missing == "camera_info" else start(rig, *parameters)
    heard, people = node.listen(OUT, CLOUD), node.listen(PEOPLE, CLOUD)
    node.send(node.image(stamp_ns=(8 if missing == "mask" else 7) * S, size=SIZE))
    send_cloud(node, plane(2.0), frame_id="lidar" if missing == "transform" else "camera")
    node.wait(lambda: node.node._facts().get("points_without_mask") == "1")
    node.spin()
    assert len(heard) == comes
    assert not people
    reason = {"mask": "No mask within 0.05 s", "transform": "No transform", "camera_info": "camera_info of the color"}
    assert any(reason[missing] in text for text in node.warnings())
    assert node.node._facts()["points_judged"] == "0"


@pytest.mark.parametrize("stamp", [0, 5 * S])
def test_clouds_without_a_stamp_of_their_own_are_not_published(node: Rig, stamp: int) -> None:
    heard = node.listen(OUT, CLOUD)
    node.send(node.image(stamp_ns=9 * S, size=SIZE))
    for _ in range(2):
        send_cloud(node, plane(2.0), stamp)
    send_cloud(node, plane(2.0), 9 * S)
    node.wait(lambda: heard)
    assert [message.header.stamp.sec for message in heard] == [9]
    assert node.node._facts()["points_without_mask"] == "2"


def test_a_damaged_cloud_is_never_passed(rig: Rigs) -> None:
    node = start(rig, "without_mask:=pass")
    heard = node.listen(OUT, CLOUD)
    header = header_of(node.tester.messages, 7 * S)
    message = cloud_message(node.tester.messages, header, plane(2.0))
    message.data = message.data[:100]
    node.send(message, "/points", CLOUD)
    node.wait(lambda: any("bytes of data" in text for text in node.warnings()))
    assert not heard


def test_nothing_is_computed_while_nobody_listens(node: Rig) -> None:
    send_cloud(node, plane(2.0))
    node.send(node.image(stamp_ns=7 * S, size=SIZE))
    node.spin()
    assert node.node.diagnostics.totals["frames_out"] == 0
    assert "points_judged" not in node.node._facts()
