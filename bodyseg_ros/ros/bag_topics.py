"""Decide what happens to each topic of a bag that will be shared, by its type and the user's options."""

from __future__ import annotations

import enum
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from ..errors import MediaError, SettingsError
from .video_rewriter import VIDEOS, codec_of

__all__ = ["DepthRule", "PICTURES", "Topic", "Treatment", "choose_treatments"]

DepthRule = Literal["", "keep", "remove", "drop"]
PICTURES: Final = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")

#: Package → types that cannot contain images, clouds or other likenesses of people, nor bytes that could.
_FREE: Final[Mapping[str, str]] = {
    "action_msgs": "GoalInfo GoalStatus GoalStatusArray",
    "ackermann_msgs": "AckermannDrive AckermannDriveStamped",
    "builtin_interfaces": "Time Duration",
    "bond": "Status Constants",
    "can_msgs": "Frame",
    "control_msgs": "JointTrajectoryControllerState JointJog PidState",
    "diagnostic_msgs": "DiagnosticArray DiagnosticStatus KeyValue",
    "geometry_msgs": "Accel AccelStamped AccelWithCovariance AccelWithCovarianceStamped Inertia InertiaStamped Point "
    "Point32 PointStamped Polygon PolygonStamped Pose Pose2D PoseArray PoseStamped PoseWithCovariance "
    "PoseWithCovarianceStamped Quaternion QuaternionStamped Transform TransformStamped Twist TwistStamped "
    "TwistWithCovariance TwistWithCovarianceStamped Vector3 Vector3Stamped VelocityStamped Wrench WrenchStamped",
    "gps_msgs": "GPSFix GPSStatus",
    "lifecycle_msgs": "TransitionEvent State Transition",
    "nav_msgs": "Odometry Path Goals",
    "novatel_gps_msgs": "Inspva Time",
    "rcl_interfaces": "Log ParameterEvent",
    "rosgraph_msgs": "Clock",
    "sensor_msgs": "BatteryState CameraInfo FluidPressure Illuminance Imu JointState Joy JoyFeedback JoyFeedbackArray "
    "LaserScan MagneticField MultiDOFJointState NavSatFix NavSatStatus Range RegionOfInterest RelativeHumidity "
    "Temperature TimeReference",
    "std_msgs": "Bool Byte Char Empty Float32 Float64 Header Int8 Int16 Int32 Int64 String UInt8 UInt16 UInt32 UInt64 "
    "ColorRGBA",
    "tf2_msgs": "TFMessage TF2Error",
    "trajectory_msgs": "JointTrajectory JointTrajectoryPoint MultiDOFJointTrajectory",
    "vision_msgs": "LabelInfo VisionInfo",
}
_IS_FREE: Final = frozenset(f"{package}/msg/{name}" for package, names in _FREE.items() for name in names.split())
_DEPTHS: Final = ("16UC1", "32FC1")
_PACKED_DEPTH: Final = re.compile(r"(16UC1|32FC1)|.*compressedDepth")


class Treatment(enum.Enum):
    """Treatment of a topic's messages."""

    COPY = "copied as it is"
    COVER = "people covered"
    DEPTH = "people taken out of depth"
    DROP = "left out"


@dataclass(frozen=True)
class Topic:
    """A topic of a bag.

    form: encoding or format of its first message; '' if it is not an image or video, or has no messages.
    """

    name: str
    type: str
    form: str = ""

    @property
    def is_depth(self) -> bool:
        """Whether its images are of depth."""
        return self.form in _DEPTHS

    @property
    def is_packed_depth(self) -> bool:
        """Whether its images are of compressed depth."""
        return self.type == PICTURES[1] and bool(_PACKED_DEPTH.match(self.form))


def choose_treatments(
    topics: Sequence[Topic], keep: Iterable[str] = (), drop: Iterable[str] = (), depth: DepthRule = ""
) -> dict[str, Treatment]:
    """Choose the treatment of each topic by name.

    keep, drop: topics named by the user. depth: treatment of depth images, '' if not given. Raises SettingsError for an
    unknown topic or one in both lists, and MediaError that names every topic for which the user must decide.
    """
    keep, drop = set(keep), set(drop)
    _check_names(keep, drop, {topic.name for topic in topics})
    chosen: dict[str, Treatment] = {}
    unsaid: list[str] = []
    types = Counter(name for name, _ in {(topic.name, topic.type) for topic in topics})
    for topic in topics:
        if types[topic.name] > 1 and topic.name not in keep | drop:
            unsaid.append(f"{topic.name} ({topic.type}, one of {types[topic.name]} types)")
        elif topic.name in keep or topic.name in drop:
            chosen[topic.name] = Treatment.COPY if topic.name in keep else Treatment.DROP
        elif topic.is_depth or topic.is_packed_depth:
            treatment = _depth_treatment(topic, depth)
            if treatment:
                chosen[topic.name] = treatment
            else:
                unsaid.append(f"{topic.name} ({topic.form or topic.type})")
        elif topic.type in PICTURES or (topic.type in VIDEOS and codec_of(topic.form)):
            chosen[topic.name] = Treatment.COVER
        elif topic.type in _IS_FREE:
            chosen[topic.name] = Treatment.COPY
        else:
            unsaid.append(f"{topic.name} ({topic.type})")
    if unsaid:
        raise MediaError(
            f"These topics may show people: {', '.join(unsaid)}. For each, add --keep TOPIC or --drop TOPIC; for "
            "depth images (16UC1, 32FC1) --depth keep, remove or drop."
        )
    return chosen


def _depth_treatment(topic: Topic, rule: DepthRule) -> Treatment | None:
    """Return None if the user must decide: people are not removed from compressed depth."""
    if rule == "remove":
        return Treatment.DEPTH if topic.is_depth and topic.type == PICTURES[0] else None
    return {"": None, "keep": Treatment.COPY, "drop": Treatment.DROP}[rule]


def _check_names(keep: set[str], drop: set[str], there: set[str]) -> None:
    for flag, names in (("--keep", keep), ("--drop", drop)):
        for name in sorted(names - there):
            raise SettingsError(f"{flag} names {name!r}, but the bag has: {', '.join(sorted(there)) or 'no topic'}.")
    both = sorted(keep & drop)
    if both:
        raise SettingsError(f"{both[0]!r} is in both --keep and --drop; remove it from one of them.")
