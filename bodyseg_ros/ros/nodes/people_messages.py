"""People as messages: poses and detections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ...body import KEYPOINT_NAMES, PART_NAMES

if TYPE_CHECKING:
    from .outputs import Scene

__all__ = ["detections", "poses"]

Box = tuple[int, int, int, int]  # x, y, width, height, px


def poses(scene: Scene) -> Any:
    """A PersonPoseArray, empty when nobody is there; None where no poses were computed."""
    found = scene.result.poses
    if found is None:
        return None
    return scene.messages.make(
        "bodyseg_ros/msg/PersonPoseArray",
        header=scene.message.header,
        image_width=scene.frame.size[1],
        image_height=scene.frame.size[0],
        model=scene.model,
        persons=[_person(scene, index) for index in range(len(found))],
    )


def detections(scene: Scene) -> Any:
    """A Detection2DArray of class 'person'; None where no poses were computed."""
    found = scene.result.poses
    if found is None:
        return None
    make = scene.messages.make
    people = []
    for index, score in enumerate(found.scores):
        x, y, width, height = _box(scene, index)
        centre = make("vision_msgs/msg/Point2D", x=x + (width - 1) / 2, y=y + (height - 1) / 2)
        box = make(
            "vision_msgs/msg/BoundingBox2D",
            center=make("vision_msgs/msg/Pose2D", position=centre),
            size_x=float(width),
            size_y=float(height),
        )
        guess = make("vision_msgs/msg/ObjectHypothesis", class_id="person", score=float(score))
        results = [make("vision_msgs/msg/ObjectHypothesisWithPose", hypothesis=guess)]
        header = scene.message.header
        people.append(make("vision_msgs/msg/Detection2D", header=header, results=results, bbox=box))
    return make("vision_msgs/msg/Detection2DArray", header=scene.message.header, detections=people)


def _person(scene: Scene, index: int) -> Any:
    """One PersonPose; what was not computed is 0, NaN or empty, as the message says."""
    found, result, make = scene.result.poses, scene.result, scene.messages.make
    assert found is not None
    x, y, width, height = _box(scene, index)
    area, visible = float("nan"), np.zeros(0, np.uint8)
    if result.instances is not None:
        area = float(np.count_nonzero(result.instances == index) / result.instances.size)
        if result.parts is not None:
            counts = np.bincount(result.person_parts(index).view(np.uint8).ravel(), minlength=256)
            visible = np.flatnonzero(counts[: len(PART_NAMES)]).astype(np.uint8) + np.uint8(1)
    return make(
        "bodyseg_ros/msg/PersonPose",
        header=scene.message.header,
        instance_label=0 if result.instances is None else index + 1,
        score=float(found.scores[index]),
        roi=make("sensor_msgs/msg/RegionOfInterest", x_offset=x, y_offset=y, width=width, height=height),
        keypoints=_keypoints(scene, found.keypoints[index], found.keypoint_scores[index]),
        mask_area_ratio=area,
        visible_parts=scene.messages.pack(visible),
    )


def _keypoints(scene: Scene, points: NDArray[np.float32], scores: NDArray[np.float32]) -> list[Any]:
    make, least = scene.messages.make, scene.choices.settings.visible_score
    nowhere = make("geometry_msgs/msg/Point", x=float("nan"), y=float("nan"), z=float("nan"))
    return [
        make(
            "bodyseg_ros/msg/Keypoint",
            id=index,
            name=name,
            x=float(points[index, 0]),
            y=float(points[index, 1]),
            score=float(scores[index]),
            visible=bool(scores[index] >= np.float32(least)),
            point3d=nowhere,
        )
        for index, name in enumerate(KEYPOINT_NAMES)
    ]


def _box(scene: Scene, index: int) -> Box:
    """Around the person's mask, or where there is none, around the visible keypoints within the picture."""
    if scene.result.instances is not None:
        x, y, width, height = cv2.boundingRect(np.equal(scene.result.instances, index).view(np.uint8))
        if width:
            return x, y, width, height
    assert scene.result.poses is not None
    seen = scene.result.poses.keypoint_scores[index] >= np.float32(scene.choices.settings.visible_score)
    if not seen.any():
        return 0, 0, 0, 0
    points = scene.result.poses.keypoints[index, seen]
    height, width = scene.frame.size
    low = np.clip(np.floor(points.min(axis=0)), 0, (width - 1, height - 1)).astype(int)
    high = np.clip(np.ceil(points.max(axis=0)), 0, (width - 1, height - 1)).astype(int)
    x, y = low.tolist()
    right, bottom = high.tolist()
    return x, y, right - x + 1, bottom - y + 1
