"""People in space on the node's topics, with the fake engine's people before a wall."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import yaml

from bodyseg_ros.engines.fake import FakeEngine, fake_keypoints
from bodyseg_ros.ros.graph.headers import stamp_ns as stamp_of
from bodyseg_ros.ros.graph.image_messages import image_message
from bodyseg_ros.ros.graph.names import Names
from bodyseg_ros.ros.nodes.outputs import OUTPUTS
from bodyseg_ros.space import Pinhole

from .conftest import ROOT, Rig, header_of
from .test_depth import depth_message
from .test_points_without_people import send_transform

Rigs = Callable[..., Rig]
INFO = "sensor_msgs/msg/CameraInfo"
POSES, BOXES = "bodyseg_ros/msg/PersonPoseArray", "vision_msgs/msg/Detection3DArray"
MARKERS, PEOPLE = "visualization_msgs/msg/MarkerArray", "people_msgs/msg/People"
TOPICS = {"poses": POSES, "detections_3d": BOXES, "markers": MARKERS, "people": PEOPLE}
SIZE = (240, 320)
CAMERA = Pinhole(SIZE, (300.0, 300.0), (159.5, 119.5))
S = 1_000_000_000
#: Where the fake people stand, and the wall behind them.
PEOPLE_M, WALL_M = 2.0, 3.0


def start(rig: Rigs, *parameters: str, people: int = 2, info: bool = True) -> Rig:
    made = rig("internal_resolution:=full", f"fake.people:={people}", *parameters)
    for name, type_name in TOPICS.items():
        made.listen(f"/bodyseg/{name}", type_name)
    if info:
        send_info(made, "/camera_info", CAMERA)
    return made


def send_info(rig: Rig, topic: str, camera: Pinhole) -> None:
    (fx, fy), (cx, cy) = camera.focal, camera.center
    k = np.array([fx, 0, cx, 0, fy, cy, 0, 0, 1])
    rig.send(rig.tester.messages.make(INFO, height=camera.size[0], width=camera.size[1], k=k), topic, INFO)


def person_map(people: int) -> np.ndarray:
    """Generously where the fake people are."""
    points = fake_keypoints(people, *SIZE)
    mask = np.zeros(SIZE, bool)
    for body in points:
        (left, top), (right, bottom) = np.floor(body.min(0)).astype(int), np.ceil(body.max(0)).astype(int)
        mask[max(0, top - 12) : bottom + 12, max(0, left - 12) : right + 12] = True
    return mask


def scene_depth(people: int = 2) -> np.ndarray:
    return np.where(person_map(people), np.float32(PEOPLE_M), np.float32(WALL_M))


def send_both(rig: Rig, stamp_ns: int, depth: np.ndarray | None = None, frame_id: str = "camera") -> None:
    depth = scene_depth() if depth is None else depth
    rig.send(depth_message(rig, depth, stamp_ns, frame_id), "/depth/image")
    rig.send(rig.image(stamp_ns=stamp_ns, size=SIZE))


def told(rig: Rig, stamp_ns: int, **more: Any) -> dict[str, Any]:
    """What each topic says of one moment; velocities and /tf need a frame before it."""
    if not rig.heard["/bodyseg/poses"]:
        send_both(rig, stamp_ns - S // 10, **more)
        rig.wait(lambda: rig.heard["/bodyseg/poses"])
    send_both(rig, stamp_ns, **more)
    heard = {name: rig.heard[f"/bodyseg/{name}"] for name in TOPICS}

    def of_this(messages: list[Any]) -> list[Any]:
        return [one for one in messages if stamp_of((getattr(one, "markers", None) or [one])[0].header) == stamp_ns]

    rig.wait(lambda: all(of_this(messages) for messages in heard.values()))
    return {name: of_this(messages)[-1] for name, messages in heard.items()}


def test_every_topic_has_the_same_people_in_meters(rig: Rigs) -> None:
    node = start(rig)
    heard = told(node, 2 * S)
    rays = CAMERA.unproject(fake_keypoints(2, *SIZE).reshape(-1, 2).astype(np.float32)).reshape(2, 17, 2)
    people = {person.track_id: person for person in heard["poses"].persons}
    assert sorted(people) == ["1", "2"]
    for number, person in people.items():
        assert all(keypoint.has_point3d for keypoint in person.keypoints)
        points = np.array([(k.point3d.x, k.point3d.y, k.point3d.z) for k in person.keypoints])
        np.testing.assert_allclose(points[:, 2], PEOPLE_M, atol=1e-3)
        np.testing.assert_allclose(points[:, :2], PEOPLE_M * rays[int(number) - 1], atol=0.02)
        trunk = points[[5, 6, 11, 12]].mean(axis=0)
        (box,) = [one for one in heard["detections_3d"].detections if one.id == number]
        place = box.results[0].pose.pose.position
        np.testing.assert_allclose([place.x, place.y, place.z], trunk, atol=0.02)
        assert box.results[0].hypothesis.class_id == "person"
        covariance = np.reshape(box.results[0].pose.covariance, (6, 6))
        assert 0 < covariance[2, 2] < 0.03**2
        assert box.bbox.size.z < 0.01
        assert 0.9 * np.ptp(points[:, 1]) < box.bbox.size.y < 1.3 * np.ptp(points[:, 1])
        (walker,) = [one for one in heard["people"].people if one.name == number]
        np.testing.assert_allclose([walker.position.x, walker.position.z], trunk[[0, 2]], atol=0.02)
        assert abs(walker.velocity.x) < 0.05 and abs(walker.velocity.z) < 0.05
        marks = {one.ns: one for one in heard["markers"].markers if one.id == int(number)}
        assert set(marks) == {"skeleton", "keypoints", "box", "id"}
        assert len(marks["skeleton"].points) == 2 * 12 and len(marks["keypoints"].points) == 17
        assert (marks["id"].text, marks["box"].type, marks["skeleton"].type) == (number, 1, 5)
    assert heard["markers"].markers[0].header.frame_id == "camera"


def test_markers_of_the_lost_are_deleted(rig: Rigs, monkeypatch: pytest.MonkeyPatch) -> None:
    node = start(rig)
    told(node, 2 * S)
    drawn = FakeEngine.infer

    def fewer(engine: FakeEngine, tensor: np.ndarray) -> Any:
        before, engine.settings = engine.settings, engine.settings.model_copy(update={"people": 0})
        try:
            return drawn(engine, tensor)
        finally:
            engine.settings = before

    monkeypatch.setattr(FakeEngine, "infer", fewer)
    heard = told(node, 2 * S + S // 10)
    gone = {(one.ns, one.id) for one in heard["markers"].markers if one.action == 2}
    assert gone == {(kind, number) for kind in ("skeleton", "keypoints", "box", "id") for number in (1, 2)}
    assert heard["detections_3d"].detections == heard["people"].people == []


def test_without_depth_nothing_is_invented(rig: Rigs) -> None:
    node = start(rig)
    node.send(node.image(stamp_ns=2 * S, size=SIZE))
    node.wait(lambda: node.heard["/bodyseg/poses"])
    (poses,) = node.heard["/bodyseg/poses"]
    assert not any(keypoint.has_point3d for person in poses.persons for keypoint in person.keypoints)
    assert all(np.isnan(keypoint.point3d.z) for person in poses.persons for keypoint in person.keypoints)
    node.wait(lambda: any("/bodyseg/people is not published" in text for text in node.warnings()))
    assert not any(node.heard[f"/bodyseg/{name}"] for name in TOPICS if name != "poses")


def test_a_target_frame_comes_through_tf_and_point3d_stays_in_the_cameras(rig: Rigs) -> None:
    node = start(rig, "target_frame:=base_link", "space_wait:=0.5")
    send_transform(node, "base_link", "camera", (0.2, 0.0, 1.1), (-0.5, 0.5, -0.5, 0.5))
    heard = told(node, 2 * S)
    found = heard["detections_3d"].detections[0]
    assert found.header.frame_id == heard["people"].header.frame_id == "base_link"
    assert {one.header.frame_id for one in heard["markers"].markers} == {"base_link"}
    (person,) = [one for one in heard["poses"].persons if one.track_id == found.id]
    points = np.array([(k.point3d.x, k.point3d.y, k.point3d.z) for k in person.keypoints])
    x, y, z = points[[5, 6, 11, 12]].mean(axis=0)
    place = found.results[0].pose.pose.position
    np.testing.assert_allclose([place.x, place.y, place.z], [z + 0.2, -x, 1.1 - y], atol=0.02)
    np.testing.assert_allclose(points[:, 2], PEOPLE_M, atol=1e-3)
    assert person.header.frame_id == "camera"


def test_depth_of_another_camera_and_size_is_registered(rig: Rigs) -> None:
    """It stands 0.2 m to the left of the color camera and has half its size."""
    node = start(rig, "space_wait:=0.5", people=1)
    small = Pinhole((120, 160), (150.0, 150.0), (79.5, 59.5))
    send_info(node, "/depth/camera_info", small)
    send_transform(node, "camera", "depth", (-0.2, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0))
    row, column = np.nonzero(person_map(1))
    rays = CAMERA.unproject(np.stack([column, row], axis=-1).astype(np.float32)) * PEOPLE_M
    points = np.column_stack((rays[:, 0] + 0.2, rays[:, 1], np.full(len(rays), PEOPLE_M)))
    x, y, _ = small.project(points.astype(np.float32))
    depth = np.full(small.size, WALL_M, np.float32)
    inside = (x >= 0) & (x < 159) & (y >= 0) & (y < 119)
    depth[np.rint(y[inside]).astype(int), np.rint(x[inside]).astype(int)] = PEOPLE_M
    heard = told(node, 2 * S, depth=depth, frame_id="depth")
    (person,) = heard["poses"].persons
    known = np.array([k.point3d.z for k in person.keypoints if k.has_point3d])
    assert len(known) > 12
    np.testing.assert_allclose(known, PEOPLE_M, atol=0.02)


@pytest.mark.parametrize(
    ("info", "depth", "frame_id", "reason"),
    [
        (False, scene_depth(), "camera", "camera_info of the color camera has not come"),
        (True, scene_depth(), "elsewhere", "camera_info of the depth camera is needed"),
        (True, scene_depth()[::2, ::2], "camera", "camera_info of the depth camera is needed"),
    ],
)
def test_what_is_missing_is_said_and_poses_go_on(
    rig: Rigs, info: bool, depth: np.ndarray, frame_id: str, reason: str
) -> None:
    node = start(rig, info=info)
    for stamp in (S, 2 * S):
        send_both(node, stamp, depth, frame_id)
        node.wait(lambda stamp=stamp: len(node.heard["/bodyseg/poses"]) == stamp // S)
    node.wait(lambda: any(reason in text for text in node.warnings()))
    assert not node.heard["/bodyseg/markers"]


def test_depth_that_is_too_old_locates_nobody(rig: Rigs) -> None:
    node = start(rig, "space_slop:=0.02", "space_wait:=0.0")
    told(node, 2 * S)
    node.send(depth_message(node, scene_depth(), 3 * S), "/depth/image")
    node.send(node.image(stamp_ns=3 * S + 30_000_000, size=SIZE))
    node.wait(lambda: len(node.heard["/bodyseg/poses"]) == 3)
    assert not any(k.has_point3d for person in node.heard["/bodyseg/poses"][-1].persons for k in person.keypoints)


def test_a_slow_network_does_not_lose_the_depth_of_its_image(rig: Rigs, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it runs, more depth images come than are kept."""
    node = start(rig)
    told(node, 2 * S)
    running, later = threading.Event(), threading.Event()
    drawn = FakeEngine.infer

    def slow(engine: FakeEngine, tensor: np.ndarray) -> Any:
        running.set()
        assert later.wait(20)
        return drawn(engine, tensor)

    monkeypatch.setattr(FakeEngine, "infer", slow)
    send_both(node, 3 * S)
    assert running.wait(20)
    for number in range(1, 41):
        node.send(depth_message(node, np.full(SIZE, WALL_M, np.float32), 3 * S + number * S // 30), "/depth/image")
    later.set()
    node.wait(lambda: len(node.heard["/bodyseg/poses"]) == 3)
    keypoints = [k for person in node.heard["/bodyseg/poses"][-1].persons for k in person.keypoints]
    np.testing.assert_allclose([k.point3d.z for k in keypoints], PEOPLE_M, atol=1e-3)


def test_a_bad_depth_image_is_named_and_the_next_one_is_used(rig: Rigs) -> None:
    node = start(rig)
    told(node, 2 * S)
    bad = image_message(
        node.tester.messages, header_of(node.tester.messages, 3 * S), np.zeros((*SIZE, 3), np.uint8), "bgr8"
    )
    node.send(bad, "/depth/image")
    node.send(node.image(stamp_ns=3 * S, size=SIZE))
    node.wait(lambda: any("A depth image has the encoding 'bgr8'" in text for text in node.warnings()))
    assert len(told(node, 4 * S)["detections_3d"].detections) == 2


def test_a_person_is_near_by_the_depth_of_the_camera(rig: Rigs) -> None:
    node = start(rig, "events.near_m:=2.5", "events.hold_s:=0.15", people=1)
    heard = node.listen("/bodyseg/events", "bodyseg_ros/msg/PersonEventArray")
    for frame in range(1, 6):
        send_both(node, frame * S // 10, scene_depth(1))
        node.wait(lambda frame=frame: len(node.heard["/bodyseg/poses"]) == frame)
    near = [event for message in heard for event in message.events if event.name == "near"]
    assert [(event.track_id, event.began) for event in near] == [("1", True)]
    assert near[0].distance == pytest.approx(PEOPLE_M, abs=0.02)


def test_rviz_shows_only_topics_that_there_are() -> None:
    """Each display of config/bodyseg.rviz names a topic of the node, of the type that it draws."""
    types = {Names("bodyseg").resolve(output.topic).lstrip("/"): output.type for output in OUTPUTS}
    types |= {
        "bodyseg/depth_without_people": "sensor_msgs/msg/Image",
        "bodyseg/points_without_people": "sensor_msgs/msg/PointCloud2",
        "bodyseg/points_people": "sensor_msgs/msg/PointCloud2",
        "bodyseg/scan_without_people": "sensor_msgs/msg/LaserScan",
    }
    config = yaml.safe_load((ROOT / "config/bodyseg.rviz").read_text(encoding="utf-8"))
    displays = [one for one in config["Visualization Manager"]["Displays"] if "Topic" in one]
    for display in displays:
        drawn = display["Class"].rpartition("/")[2]
        assert types[display["Topic"]["Value"]].rpartition("/")[2] == drawn, display["Name"]
    shown = {display["Topic"]["Value"]: display for display in displays}
    assert "bodyseg/overlay" in shown
    assert set(shown["bodyseg/markers"]["Namespaces"]) == {"skeleton", "keypoints", "box", "id"}
