"""REP-155's bodies, read as a consumer of hri_msgs does: the list first, then the topics of each body."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bodyseg_ros.engines.fake import fake_keypoints
from bodyseg_ros.ros.graph.image_messages import read_image
from bodyseg_ros.ros.nodes import humans
from bodyseg_ros.space import Rigid, body_pose

from .conftest import Rig
from .test_space import CAMERA, PEOPLE_M, SIZE, S, send_both, send_info

Rigs = Callable[..., Rig]
#: hri_msgs/Skeleton2D's order.
NECK, RIGHT_SHOULDER, LEFT_SHOULDER, LEFT_ANKLE = 1, 2, 5, 13
TYPES = {
    "roi": "hri_msgs/msg/NormalizedRegionOfInterest2D",
    "cropped": "sensor_msgs/msg/Image",
    "skeleton2d": "hri_msgs/msg/Skeleton2D",
    "position": "geometry_msgs/msg/PointStamped",
    "velocity": "geometry_msgs/msg/TwistStamped",
}


class Robot:
    """Sends images of 10 Hz, as one camera does."""

    def __init__(self, node: Rig) -> None:
        self.node, self.stamp_ns = node, S

    def sees(self, condition: Callable[[], Any]) -> None:
        def once_more() -> None:
            self.stamp_ns += S // 10
            done = self.node.node.diagnostics.totals["frames_out"]
            send_both(self.node, self.stamp_ns)
            self.node.wait(lambda: self.node.node.diagnostics.totals["frames_out"] > done)
            self.node.spin()

        for _ in range(40):
            if condition():
                return
            once_more()
        raise AssertionError("what was waited for did not happen")


def start(rig: Rigs, *parameters: str) -> tuple[Rig, Robot, list[Any], list[Any]]:
    node = rig("internal_resolution:=full", "fake.people:=2", "humans:=true", *parameters)
    tracked = node.listen("/humans/bodies/tracked", "hri_msgs/msg/IdsList")
    frames = node.listen("/tf", "tf2_msgs/msg/TFMessage")
    send_info(node, "/camera_info", CAMERA)
    return node, Robot(node), tracked, frames


def test_a_consumer_finds_each_body_and_its_frame(rig: Rigs) -> None:
    node, robot, tracked, frames = start(rig)
    robot.sees(lambda: tracked)
    assert sorted(tracked[-1].ids) == ["p1", "p2"]
    heard = {
        (name, topic): node.listen(f"/humans/bodies/{name}/{topic}", type_name)
        for name in tracked[-1].ids
        for topic, type_name in TYPES.items()
    }
    robot.sees(lambda: all(heard.values()))
    points = fake_keypoints(2, *SIZE)
    for person, name in enumerate(("p1", "p2")):
        roi, cropped, skeleton, position, velocity = (heard[name, topic][-1] for topic in TYPES)
        low, high = points[person].min(axis=0) / SIZE[::-1], points[person].max(axis=0) / SIZE[::-1]
        assert 0 <= roi.xmin <= low[0] and high[0] <= roi.xmax <= 1
        assert 0 <= roi.ymin <= low[1] and high[1] <= roi.ymax <= 1
        assert 0 < roi.c <= 1
        assert read_image(cropped).size == (
            round((roi.ymax - roi.ymin) * SIZE[0]),
            round((roi.xmax - roi.xmin) * SIZE[1]),
        )
        assert len(skeleton.skeleton) == 18
        for place, keypoint in ((RIGHT_SHOULDER, 6), (LEFT_SHOULDER, 5), (LEFT_ANKLE, 15)):
            one = skeleton.skeleton[place]
            np.testing.assert_allclose([one.x, one.y], points[person, keypoint] / SIZE[::-1], atol=0.005)
        neck = skeleton.skeleton[NECK]
        np.testing.assert_allclose([neck.x, neck.y], points[person, 5:7].mean(axis=0) / SIZE[::-1], atol=0.005)
        assert position.point.z == pytest.approx(PEOPLE_M, abs=1e-3)
        assert abs(velocity.twist.linear.x) < 0.05
    transforms = {one.child_frame_id: one for one in frames[-1].transforms}
    assert set(transforms) == {"body_p1", "body_p2"}
    body = transforms["body_p1"]
    assert body.header.frame_id == "camera"
    turn, shift = body.transform.rotation, body.transform.translation
    hips = CAMERA.unproject(points[0, 11:13].mean(axis=0)[None].astype(np.float32))[0] * PEOPLE_M
    np.testing.assert_allclose([shift.x, shift.y, shift.z], [*hips, PEOPLE_M], atol=0.02)
    rotation = Rigid.of((turn.x, turn.y, turn.z, turn.w), (0, 0, 0)).rotation
    # Facing the camera: ahead is -z of its optical frame, left is x, and up is -y.
    np.testing.assert_allclose(rotation, [[0, 1, 0], [0, 0, -1], [-1, 0, 0]], atol=0.05)


def test_topics_of_bodies_that_are_gone_are_closed(rig: Rigs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(humans, "_KEPT_S", 0.2)
    node, robot, tracked, _ = start(rig)

    def advertised() -> list[str]:
        return sorted(end.topic for end in node.tester.endpoints() if "/humans/bodies/p" in end.topic and end.publishes)

    robot.sees(lambda: len(advertised()) == 2 * len(TYPES))
    node.wait(lambda: not advertised())
    robot.sees(lambda: len(advertised()) == 2 * len(TYPES))
    assert sorted(tracked[-1].ids) == ["p1", "p2"]
    node.node.deactivate()
    assert advertised() == []


def test_off_by_default_and_silent_without_listeners(rig: Rigs) -> None:
    off = rig()
    assert not any(end.topic.startswith("/humans") for end in off.tester.endpoints())
    on = rig("humans:=true")
    on.send(on.image(stamp_ns=S))
    on.spin()
    assert on.node.diagnostics.totals["frames_out"] == 0


def test_a_mirrored_picture_does_not_mirror_bodies(rig: Rigs) -> None:
    rois = []
    for flip in ("false", "true"):
        node, robot, tracked, _ = start(rig, f"flip_horizontal:={flip}", "fake.people:=1")
        robot.sees(lambda tracked=tracked: tracked)
        (name,) = tracked[-1].ids
        heard = node.listen(f"/humans/bodies/{name}/roi", TYPES["roi"])
        robot.sees(lambda heard=heard: heard)
        rois.append((heard[-1].xmin, heard[-1].ymin))
    np.testing.assert_allclose(*rois, atol=0.01)


def test_an_upright_body_whose_trunk_is_unknown_is_turned_like_its_frame() -> None:
    keypoints = np.full((17, 3), np.nan, np.float32)
    pose = body_pose(keypoints, np.array([1, 2, 3], np.float32))
    np.testing.assert_array_equal(pose.translation, [1, 2, 3])
    np.testing.assert_array_equal(pose.rotation, np.eye(3))
