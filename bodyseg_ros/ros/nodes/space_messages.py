"""People in space as messages: 3D detections, markers, and positions with velocities."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...body import SKELETON
from ...effects import people_colors
from ...person import Person
from ...space import PeopleInSpace
from ..graph.headers import make_header, stamp_ns
from .frame_context import FrameContext
from .people_messages import track_id

__all__ = ["detections_3d", "make_point", "markers", "people", "space_header"]

_MARKER: Final = "visualization_msgs/msg/Marker"
#: Constants of visualization_msgs/Marker.
_CUBE, _LINE_LIST, _SPHERE_LIST, _TEXT = 1, 5, 7, 9
_ADD, _DELETE = 0, 2
#: Namespaces of a person's markers.
_BONES, _JOINTS, _BOX, _NAME = "skeleton", "keypoints", "box", "id"
#: Widths of bones and joints, and height of the id and its distance above the box, m.
_BONE_M, _JOINT_M, _TEXT_M = 0.03, 0.05, 0.15
_BOX_ALPHA: Final = 0.2
#: Markers that no message renews disappear after this time, ns: the camera stopped, or depth.
_LIFETIME_NS: Final = 500_000_000
#: Variance of an angle of which nothing is known, rad².
_ANY_ANGLE: Final = math.pi**2


def space_header(context: FrameContext) -> Any:
    """Header of positions: the image's stamp and the target frame."""
    frame = context.live.settings.target_frame.lstrip("/")
    if not frame:
        return context.message.header
    return make_header(context.messages, stamp_ns(context.message.header), frame)


def make_point(context: FrameContext, values: NDArray[np.float32], kind: str = "Point") -> Any:
    """Make a geometry_msgs Point or Vector3."""
    x, y, z = (float(value) for value in values)
    return context.messages.make(f"geometry_msgs/msg/{kind}", x=x, y=y, z=z)


def _located(context: FrameContext) -> Iterator[tuple[Person, PeopleInSpace]]:
    """Everybody whose position is known."""
    located = context.located
    if located is not None:
        for person in context.result:
            if np.isfinite(located.positions[person.index]).all():
                yield person, located


def detections_3d(context: FrameContext) -> Any:
    """Make a Detection3DArray of class 'person': position with covariance, box; None without depth."""
    if context.located is None:
        return None
    make, header = context.messages.make, space_header(context)
    found = []
    for person, located in _located(context):
        place = person.index
        covariance = np.diag([0, 0, 0, _ANY_ANGLE, _ANY_ANGLE, _ANY_ANGLE])
        covariance[:3, :3] = located.position_covariances[place]
        pose = make(
            "geometry_msgs/msg/PoseWithCovariance",
            pose=_pose(context, located.positions[place]),
            covariance=covariance.ravel(),
        )
        guess = make("vision_msgs/msg/ObjectHypothesis", class_id="person", score=person.score)
        box = make(
            "vision_msgs/msg/BoundingBox3D",
            center=_pose(context, located.box_centers[place]),
            size=make_point(context, located.box_sizes[place], "Vector3"),
        )
        results = [make("vision_msgs/msg/ObjectHypothesisWithPose", hypothesis=guess, pose=pose)]
        found.append(make("vision_msgs/msg/Detection3D", header=header, results=results, bbox=box, id=track_id(person)))
    return make("vision_msgs/msg/Detection3DArray", header=header, detections=found)


def people(context: FrameContext) -> Any:
    """Make a people_msgs/People of everybody whose position and velocity are known; None without depth."""
    if context.located is None:
        return None
    make = context.messages.make
    found = [
        make(
            "people_msgs/msg/Person",
            name=track_id(person),
            position=make_point(context, located.positions[person.index]),
            velocity=make_point(context, located.velocities[person.index]),
            reliability=person.score,
        )
        for person, located in _located(context)
        if np.isfinite(located.velocities[person.index]).all()
    ]
    return make("people_msgs/msg/People", header=space_header(context), people=found)


def markers(context: FrameContext) -> Any:
    """Make a MarkerArray: skeleton, keypoints, box and id of each person, whose id is the markers'; None without depth.

    Markers of people who are lost are deleted.
    """
    if context.located is None:
        return None
    made: list[Any] = []
    colors = people_colors(context.result)
    for person, located in _located(context):
        number = person.index + 1 if person.id is None else person.id
        made += _markers_of(context, located, person, number, colors[person.index])
    lost = () if context.result.tracks is None else context.result.tracks.lost
    header = space_header(context)
    made += [
        context.messages.make(_MARKER, header=header, ns=kind, id=person.id, action=_DELETE)
        for person in lost
        for kind in (_BONES, _JOINTS, _BOX, _NAME)
    ]
    return context.messages.make("visualization_msgs/msg/MarkerArray", markers=made)


def _markers_of(
    context: FrameContext, located: PeopleInSpace, person: Person, number: int, color: tuple[int, int, int]
) -> Iterator[Any]:
    make, place = context.messages.make, person.index
    points, header = located.keypoints[place], space_header(context)
    known = np.isfinite(points).all(axis=-1)
    lifetime = make("builtin_interfaces/msg/Duration", sec=0, nanosec=_LIFETIME_NS)
    red, green, blue = (channel / 255 for channel in color)

    def marker(kind: str, shape: int, size: tuple[float, ...], alpha: float = 1.0, **more: Any) -> Any:
        scale = make_point(context, np.array(size, np.float32), "Vector3")
        rgba = make("std_msgs/msg/ColorRGBA", r=red, g=green, b=blue, a=alpha)
        more.setdefault("pose", _pose(context, np.zeros(3, np.float32)))
        fields = {"header": header, "ns": kind, "id": number, "type": shape, "action": _ADD, "lifetime": lifetime}
        return make(_MARKER, scale=scale, color=rgba, **fields, **more)

    bones = [points[end] for bone in SKELETON if known[list(bone)].all() for end in bone]
    joints = points[known]
    if bones:
        yield marker(_BONES, _LINE_LIST, (_BONE_M, 0, 0), points=[make_point(context, end) for end in bones])
    if len(joints):
        size = (_JOINT_M, _JOINT_M, _JOINT_M)
        yield marker(_JOINTS, _SPHERE_LIST, size, points=[make_point(context, joint) for joint in joints])
    center, size = located.box_centers[place], located.box_sizes[place]
    if np.isfinite(size).all():
        yield marker(_BOX, _CUBE, tuple(size.tolist()), _BOX_ALPHA, pose=_pose(context, center))
    pose = _pose(context, located.positions[place])
    yield marker(_NAME, _TEXT, (0, 0, _TEXT_M), pose=pose, text=str(number))


def _pose(context: FrameContext, position: NDArray[np.float32]) -> Any:
    level = context.messages.make("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0)
    return context.messages.make("geometry_msgs/msg/Pose", position=make_point(context, position), orientation=level)
