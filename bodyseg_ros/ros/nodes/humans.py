"""REP-155's topics of human bodies: `/humans/bodies/tracked`, topics for each body, and its tf frame."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import numpy as np

from ...body import KEYPOINT_NAMES
from ...mirror import mirror_result
from ...person import Person
from ...space import body_pose
from ...types import Result, Wanted
from ..graph.image_messages import image_message
from ..graph.port import Graph, Publisher, Timer
from .frame_context import FrameContext
from .people_messages import box_of
from .space_messages import make_point, space_header

__all__ = ["Humans"]

_IDS: Final = "hri_msgs/msg/IdsList"
_TF: Final = "tf2_msgs/msg/TFMessage"
#: What each body has.
_TOPICS: Final = {
    "roi": "hri_msgs/msg/NormalizedRegionOfInterest2D",
    "cropped": "sensor_msgs/msg/Image",
    "skeleton2d": "hri_msgs/msg/Skeleton2D",
    "position": "geometry_msgs/msg/PointStamped",
    "velocity": "geometry_msgs/msg/TwistStamped",
}
#: Keypoints in the order of hri_msgs/Skeleton2D; the neck is between the shoulders.
_SKELETON: Final = (
    "nose",
    "neck",
    "right_shoulder",
    "right_elbow",
    "right_wrist",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "right_hip",
    "right_knee",
    "right_ankle",
    "left_hip",
    "left_knee",
    "left_ankle",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
)
_SHOULDERS: Final = [KEYPOINT_NAMES.index(name) for name in ("left_shoulder", "right_shoulder")]
#: Interval at which topics of new bodies appear and those of gone bodies disappear, s.
_PERIOD_S: Final = 0.05
#: How long topics stay when a body is not seen, s.
_KEPT_S: Final = 2.0


class Humans:
    """Publishes bodies while there are subscribers, and `body_<id>` frames to /tf.

    Topics are made and closed on the graph's thread, messages on the worker's.
    """

    #: What it needs of a result.
    NEEDS: Final = Wanted.POSES
    EXTRAS: Final = Wanted.INSTANCES

    def __init__(self, graph: Graph, problem: Callable[[Exception], None]) -> None:
        self._graph, self._problem = graph, problem
        space = graph.namespace.strip("/").replace("/", "_")
        #: A name in a topic must not begin with a digit.
        self._prefix = f"{space}_p" if space else "p"
        self._lock = threading.Lock()
        self._bodies: dict[str, dict[str, Publisher]] = {}
        self._seen_s: dict[str, float] = {}
        self._timer: Timer | None = None
        self._tracked = graph.publisher("/humans/bodies/tracked", _IDS)
        self._frames = graph.publisher("/tf", _TF) if graph.messages.knows(_TF) else None

    @staticmethod
    def missing(graph: Graph) -> str:
        """The first message type that is not installed; '' if none is missing."""
        return next((name for name in (_IDS, *_TOPICS.values()) if not graph.messages.knows(name)), "")

    @property
    def listened(self) -> bool:
        """Whether anybody listens, so that people are needed."""
        with self._lock:
            every = [self._tracked, *([self._frames] if self._frames else [])]
            every += [publisher for body in self._bodies.values() for publisher in body.values()]
            return any(publisher.subscriptions for publisher in every)

    def start(self) -> None:
        """Make topics from now on."""
        self._timer = self._graph.timer(_PERIOD_S, self._settle)

    def stop(self) -> None:
        """Close all topics of bodies. Safe to call more than once."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        with self._lock:
            self._seen_s.clear()
        self._settle()

    def publish(self, context: FrameContext) -> None:
        """Publish the bodies of one frame, on the worker's thread."""
        result = _in_source_image(context.result)
        if result.tracks is None:
            return
        people = {f"{self._prefix}{person.id}": person for person in result}
        now_s = time.monotonic()
        with self._lock:
            self._seen_s |= dict.fromkeys(people, now_s)
            bodies = {name: self._bodies.get(name, {}) for name in people}
            try:
                if self._tracked.subscriptions:
                    header = context.message.header
                    self._tracked.publish(context.messages.make(_IDS, header=header, ids=list(people)))
                for name, publishers in bodies.items():
                    for topic, publisher in publishers.items():
                        if publisher.subscriptions:
                            message = _MAKERS[topic](context, people[name])
                            if message is not None:
                                publisher.publish(message)
                if self._frames and context.located is not None and self._frames.subscriptions:
                    frames = [_frame(context, person, f"body_{name}") for name, person in people.items()]
                    self._frames.publish(context.messages.make(_TF, transforms=[one for one in frames if one]))
            except Exception as err:  # noqa: BLE001 - the other topics go on
                self._problem(err)

    def _settle(self) -> None:
        """Make the topics of new bodies and close those of bodies that are gone, on the graph's thread."""
        now_s = time.monotonic()
        with self._lock:
            self._seen_s = {name: seen for name, seen in self._seen_s.items() if now_s - seen <= _KEPT_S}
            gone = [self._bodies.pop(name) for name in self._bodies.keys() - self._seen_s.keys()]
            new = self._seen_s.keys() - self._bodies.keys()
        for body in gone:
            for publisher in body.values():
                publisher.close()
        made = {
            name: {
                topic: self._graph.publisher(f"/humans/bodies/{name}/{topic}", type_name)
                for topic, type_name in _TOPICS.items()
            }
            for name in sorted(new)
        }
        with self._lock:
            self._bodies |= made


def _in_source_image(result: Result) -> Result:
    """People as in the camera's image, also where the result is mirrored."""
    if not result.mirrored:
        return result
    bare = Result(result.size, instances=result.instances, poses=result.poses, mirrored=True)
    return replace(mirror_result(bare), tracks=result.tracks)


def _roi(context: FrameContext, person: Person) -> Any:
    left, top, right, bottom = box_of(context, person)
    height, width = person.size
    return context.messages.make(
        _TOPICS["roi"],
        header=context.message.header,
        xmin=left / width,
        ymin=top / height,
        xmax=right / width,
        ymax=bottom / height,
        c=person.score,
    )


def _cropped(context: FrameContext, person: Person) -> Any:
    left, top, right, bottom = box_of(context, person)
    image = context.frame.image[top:bottom, left:right]
    return image_message(context.messages, context.message.header, np.ascontiguousarray(image), "rgb8")


def _skeleton(context: FrameContext, person: Person) -> Any:
    height, width = person.size
    scores = np.clip(person.keypoint_scores, 0, 1)
    points = np.clip(person.keypoints / (width, height), 0, 1)
    known = np.isfinite(points).all(axis=-1) & (scores >= np.float32(context.live.settings.visible_score))
    places = {name: (*points[place], scores[place]) for place, name in enumerate(KEYPOINT_NAMES) if known[place]}
    if known[_SHOULDERS].all():
        places["neck"] = (*points[_SHOULDERS].mean(axis=0), scores[_SHOULDERS].min())
    made = []
    for name in _SKELETON:
        x, y, score = places.get(name, (0, 0, 0))
        made.append(
            context.messages.make("hri_msgs/msg/NormalizedPointOfInterest2D", x=float(x), y=float(y), c=float(score))
        )
    return context.messages.make(_TOPICS["skeleton2d"], header=context.message.header, skeleton=made)


def _position(context: FrameContext, person: Person) -> Any:
    located = context.located
    if located is None or not np.isfinite(located.positions[person.index]).all():
        return None
    point = make_point(context, located.positions[person.index])
    return context.messages.make(_TOPICS["position"], header=space_header(context), point=point)


def _velocity(context: FrameContext, person: Person) -> Any:
    located = context.located
    if located is None or not np.isfinite(located.velocities[person.index]).all():
        return None
    speed = make_point(context, located.velocities[person.index], "Vector3")
    twist = context.messages.make("geometry_msgs/msg/Twist", linear=speed)
    return context.messages.make(_TOPICS["velocity"], header=space_header(context), twist=twist)


_MAKERS: Final[dict[str, Callable[[FrameContext, Person], Any]]] = {
    "roi": _roi,
    "cropped": _cropped,
    "skeleton2d": _skeleton,
    "position": _position,
    "velocity": _velocity,
}


def _frame(context: FrameContext, person: Person, name: str) -> Any:
    """A TransformStamped from the header's frame to the body's; None where the body is unknown."""
    located = context.located
    if located is None or not np.isfinite(located.positions[person.index]).all():
        return None
    make = context.messages.make
    pose = body_pose(located.keypoints[person.index], located.positions[person.index])
    turn = make("geometry_msgs/msg/Quaternion", **dict(zip("xyzw", pose.quaternion.tolist(), strict=True)))
    shift = make("geometry_msgs/msg/Vector3", **dict(zip("xyz", pose.translation.tolist(), strict=True)))
    transform = make("geometry_msgs/msg/Transform", translation=shift, rotation=turn)
    return make(
        "geometry_msgs/msg/TransformStamped", header=space_header(context), child_frame_id=name, transform=transform
    )
