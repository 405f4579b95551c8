"""People in space on a real graph: a node in its own process, and a robot that sends depth and reads everything."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bodyseg_ros.ros.graph import LATCHED, RELIABLE, Graph, Qos, open_graph
from bodyseg_ros.ros.graph.headers import make_header
from bodyseg_ros.ros.graph.image_messages import image_message

ROOT = Path(__file__).resolve().parents[3]
RUNTIMES = [
    pytest.param("dds", marks=pytest.mark.skipif(not importlib.util.find_spec("cyclonedds"), reason="no cyclonedds")),
    pytest.param("zenoh", marks=pytest.mark.skipif(not importlib.util.find_spec("zenoh"), reason="no eclipse-zenoh")),
    pytest.param("rclpy", marks=pytest.mark.skipif(not importlib.util.find_spec("rclpy"), reason="no ROS 2 here")),
]
NODE = "import sys; from bodyseg_ros.ros.nodes.bodyseg import main; main(sys.argv[2:], sys.argv[1])"
SIZE, PEOPLE_M, CAMERA_M = (120, 160), 2.0, 1.1
TOPICS = {
    "/bodyseg/poses": "bodyseg_ros/msg/PersonPoseArray",
    "/bodyseg/detections_3d": "vision_msgs/msg/Detection3DArray",
    "/bodyseg/markers": "visualization_msgs/msg/MarkerArray",
    "/bodyseg/people": "people_msgs/msg/People",
    "/humans/bodies/tracked": "hri_msgs/msg/IdsList",
    "/humans/bodies/p1/roi": "hri_msgs/msg/NormalizedRegionOfInterest2D",
    "/humans/bodies/p1/cropped": "sensor_msgs/msg/Image",
    "/humans/bodies/p1/skeleton2d": "hri_msgs/msg/Skeleton2D",
    "/humans/bodies/p1/position": "geometry_msgs/msg/PointStamped",
    "/humans/bodies/p1/velocity": "geometry_msgs/msg/TwistStamped",
    "/tf": "tf2_msgs/msg/TFMessage",
}


@pytest.fixture(params=RUNTIMES)
def robot(request: pytest.FixtureRequest, domain: dict[str, str], tmp_path: Path) -> Iterator[Graph]:
    """A graph beside a node with one drawn person."""
    (tmp_path / "drawn.onnx").touch()
    values = {"engine": "fake", "model_path": tmp_path / "drawn.onnx", "humans": "true", "target_frame": "base_link"}
    arguments = [word for name, value in values.items() for word in ("-p", f"{name}:={value}")]
    path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(ROOT)]))
    node = subprocess.Popen(
        [sys.executable, "-c", NODE, request.param, "--ros-args", *arguments],
        env={**os.environ, **domain, "PYTHONPATH": path},
    )
    graph = open_graph("robot", [], request.param)
    try:
        missing = [name for name in TOPICS.values() if not graph.messages.knows(name)]
        if missing:
            node.kill()
            node.wait()  # or a later test is blamed for a process that still runs
            pytest.skip(f"{', '.join(missing)} not installed")
        yield graph
    finally:
        graph.close()
    node.terminate()
    assert node.wait(timeout=20) == 0


def test_every_topic_comes_with_the_same_person(robot: Graph) -> None:
    make, heard = robot.messages.make, {topic: [] for topic in TOPICS}
    for topic, type_name in TOPICS.items():
        robot.subscribe(topic, type_name, RELIABLE, heard[topic].append)
    info, depth, image = (
        robot.publisher(topic, f"sensor_msgs/msg/{kind}", Qos(depth=5))
        for topic, kind in (("/camera_info", "CameraInfo"), ("/depth/image", "Image"), ("/image", "Image"))
    )
    static = robot.publisher("/tf_static", "tf2_msgs/msg/TFMessage", LATCHED)
    static.publish(make("tf2_msgs/msg/TFMessage", transforms=[mounting(robot)]))
    k = np.array([150.0, 0, 79.5, 0, 150.0, 59.5, 0, 0, 1])
    end = time.monotonic() + 40
    while not all(heard.values()):
        assert time.monotonic() < end, [topic for topic, messages in heard.items() if not messages]
        header = make_header(robot.messages, robot.now_ns(), "camera")
        info.publish(make("sensor_msgs/msg/CameraInfo", header=header, height=SIZE[0], width=SIZE[1], k=k))
        far = np.full(SIZE, round(PEOPLE_M * 1000), np.uint16)
        depth.publish(image_message(robot.messages, header, far, "16UC1"))
        image.publish(image_message(robot.messages, header, np.zeros((*SIZE, 3), np.uint8), "rgb8"))
        spin(robot, 0.1)
    poses, boxes, markers, people, tracked, roi, cropped, skeleton, position, velocity, _ = (
        messages[-1] for messages in heard.values()
    )
    (person,) = poses.persons
    assert all(keypoint.has_point3d for keypoint in person.keypoints)
    assert person.keypoints[0].point3d.z == pytest.approx(PEOPLE_M, abs=1e-3)
    (box,) = boxes.detections
    place = box.results[0].pose.pose.position
    assert (box.id, box.header.frame_id) == ("1", "base_link")
    # Ahead of the robot at the person's distance.
    assert (place.x, place.y) == pytest.approx((PEOPLE_M, 0), abs=0.03)
    assert {one.ns for one in markers.markers} == {"skeleton", "keypoints", "box", "id"}
    assert people.people[0].position.x == pytest.approx(PEOPLE_M, abs=0.03)
    assert list(tracked.ids) == ["p1"]
    assert roi.xmin < 0.5 < roi.xmax
    assert cropped.width == round((roi.xmax - roi.xmin) * SIZE[1])
    assert len(skeleton.skeleton) == 18
    assert (position.header.frame_id, position.point.x) == ("base_link", pytest.approx(PEOPLE_M, abs=0.03))
    assert abs(velocity.twist.linear.x) < 0.1
    frames = [one for message in heard["/tf"] for one in message.transforms]
    assert {(one.header.frame_id, one.child_frame_id) for one in frames} == {("base_link", "body_p1")}


def mounting(graph: Graph) -> Any:
    """The camera looks ahead from 1.1 m above the robot's base."""
    make = graph.messages.make
    transform = make(
        "geometry_msgs/msg/Transform",
        translation=make("geometry_msgs/msg/Vector3", x=0.0, y=0.0, z=CAMERA_M),
        rotation=make("geometry_msgs/msg/Quaternion", x=-0.5, y=0.5, z=-0.5, w=0.5),
    )
    header = make_header(graph.messages, 1, "base_link")
    return make("geometry_msgs/msg/TransformStamped", header=header, child_frame_id="camera", transform=transform)


def spin(graph: Any, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        graph.spin_once(0.02)
