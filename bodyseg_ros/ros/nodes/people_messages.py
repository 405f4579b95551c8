"""People as messages: poses and detections."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...body import KEYPOINT_NAMES, PART_NAMES
from ...person import Box, Person, TrackState
from .frame_context import FrameContext

__all__ = ["box_of", "detections", "poses", "track_id"]

#: Keypoints in space, (17, 3) m, if none are known.
_UNKNOWN: Final = np.full((len(KEYPOINT_NAMES), 3), np.nan, np.float32)


def poses(context: FrameContext) -> Any:
    """Make a PersonPoseArray, empty if there are no people; None if no poses were computed.

    A person of the last frame who is missing in this one is included once, as LOST.
    """
    if context.result.poses is None:
        return None
    tracks = context.result.tracks
    lost = () if tracks is None else tracks.lost
    return context.messages.make(
        "bodyseg_ros/msg/PersonPoseArray",
        header=context.message.header,
        image_width=context.frame.size[1],
        image_height=context.frame.size[0],
        model=context.model,
        persons=[*(_person(context, one) for one in context.result), *(_lost(context, one) for one in lost)],
    )


def detections(context: FrameContext) -> Any:
    """Make a Detection2DArray of class 'person'; None if no poses were computed."""
    if context.result.poses is None:
        return None
    make = context.messages.make
    people = []
    for person in context.result:
        left, top, right, bottom = box_of(context, person)
        # Pixel centers are at whole numbers, so the last pixel's center is one before the end of the box.
        center = make("vision_msgs/msg/Point2D", x=(left + right - 1) / 2, y=(top + bottom - 1) / 2)
        box = make(
            "vision_msgs/msg/BoundingBox2D",
            center=make("vision_msgs/msg/Pose2D", position=center),
            size_x=float(right - left),
            size_y=float(bottom - top),
        )
        guess = make("vision_msgs/msg/ObjectHypothesis", class_id="person", score=person.score)
        results = [make("vision_msgs/msg/ObjectHypothesisWithPose", hypothesis=guess)]
        header = context.message.header
        people.append(
            make("vision_msgs/msg/Detection2D", header=header, results=results, bbox=box, id=track_id(person))
        )
    return make("vision_msgs/msg/Detection2DArray", header=context.message.header, detections=people)


def track_id(person: Person) -> str:
    """Return the id as text, '' without tracking."""
    return "" if person.id is None else str(person.id)


def _person(context: FrameContext, person: Person) -> Any:
    """Make a PersonPose; fields that were not computed are 0, NaN or empty, as the message defines."""
    make = context.messages.make
    left, top, right, bottom = box_of(context, person)
    roi = make("sensor_msgs/msg/RegionOfInterest", x_offset=left, y_offset=top, width=right - left, height=bottom - top)
    area, visible = float("nan"), np.zeros(0, np.uint8)
    if person.instance_map is not None:
        area = float(np.count_nonzero(person.mask) / person.mask.size)
        if person.part_map is not None:
            counts = np.bincount(person.parts.view(np.uint8).ravel(), minlength=256)
            visible = np.flatnonzero(counts[: len(PART_NAMES)]).astype(np.uint8) + np.uint8(1)
    return make(
        "bodyseg_ros/msg/PersonPose",
        header=context.message.header,
        track_id=track_id(person),
        tracking_state=int(person.state or TrackState.NEW),
        instance_label=0 if person.instance_map is None else person.index + 1,
        score=person.score,
        roi=roi,
        keypoints=_keypoints(context, person.keypoints, person.keypoint_scores, _points3d(context, person.index)),
        mask_area_ratio=area,
        visible_parts=context.messages.pack(visible),
    )


def _lost(context: FrameContext, person: Person) -> Any:
    """Make the PersonPose of a lost person: the last box, and no estimates."""
    left, top, right, bottom = box_of(context, person)
    box = {"x_offset": left, "y_offset": top, "width": right - left, "height": bottom - top}
    nowhere = np.full_like(person.keypoints, np.nan)
    return context.messages.make(
        "bodyseg_ros/msg/PersonPose",
        header=context.message.header,
        track_id=track_id(person),
        tracking_state=int(TrackState.LOST),
        roi=context.messages.make("sensor_msgs/msg/RegionOfInterest", **box),
        keypoints=_keypoints(context, nowhere, np.zeros_like(person.keypoint_scores)),
        mask_area_ratio=float("nan"),
        visible_parts=context.messages.pack(np.zeros(0, np.uint8)),
    )


def _points3d(context: FrameContext, person: int) -> NDArray[np.float32]:
    """Keypoints (17, 3) m in the frame of the header, NaN if unknown."""
    if context.located is None:
        return _UNKNOWN
    return context.located.to_camera.apply(context.located.keypoints[person])


def _keypoints(
    context: FrameContext,
    points: NDArray[np.float32],
    scores: NDArray[np.float32],
    points3d: NDArray[np.float32] = _UNKNOWN,
) -> list[Any]:
    make, least = context.messages.make, context.live.settings.visible_score
    return [
        make(
            "bodyseg_ros/msg/Keypoint",
            id=index,
            name=name,
            x=float(points[index, 0]),
            y=float(points[index, 1]),
            score=float(scores[index]),
            visible=bool(scores[index] >= np.float32(least)),
            has_point3d=bool(np.isfinite(points3d[index]).all()),
            point3d=make("geometry_msgs/msg/Point", **dict(zip("xyz", points3d[index].tolist(), strict=True))),
        )
        for index, name in enumerate(KEYPOINT_NAMES)
    ]


def box_of(context: FrameContext, person: Person) -> Box:
    """Like Person.box, with the node's own minimum score of a visible keypoint."""
    return person.box_above(context.live.settings.visible_score)
