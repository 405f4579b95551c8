"""What the node `bodyseg` publishes: a table with one row per topic."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...body import PART_NAMES
from ...effects import Effect, colored_parts, compose_all, needs_of
from ...types import Wanted
from ..graph.headers import make_header
from ..graph.image_messages import compressed_message, image_message
from ..graph.port import Messages
from .camera_info import CAMERA_INFO, camera_info_of
from .event_messages import EVENTS, events
from .frame_context import FrameContext, Painter
from .live_settings import LiveSettings
from .people_messages import detections, poses
from .space_messages import detections_3d, markers, people

__all__ = [
    "OUTPUTS",
    "OutputTopic",
    "hides_people",
    "label_infos",
    "paint_composite",
    "paint_overlay",
    "paint_parts",
    "wanted_of",
]


def _nothing(live: LiveSettings) -> Wanted:
    return Wanted.NOTHING


@dataclass(frozen=True)
class OutputTopic:
    """One topic.

    make: makes its message; None if the result lacks what it shows. needs: what the result must contain. extras: what
    else it shows if the network computes it. effects: those that make it from the camera's image; None if the camera's
    image is not in it. in_space: whether it tells where people are, for which depth is used.
    """

    topic: str
    type: str
    make: Callable[[FrameContext], Any]
    needs: Callable[[LiveSettings], Wanted] = _nothing
    extras: Callable[[LiveSettings], Wanted] = _nothing
    effects: Callable[[LiveSettings], Sequence[Effect]] | None = None
    in_space: bool = False


def wanted_of(outputs: Sequence[OutputTopic], live: LiveSettings) -> Wanted:
    """Everything these outputs read from a result."""
    wanted = Wanted.NOTHING
    for output in outputs:
        wanted |= output.needs(live) | output.extras(live)
    return wanted


def hides_people(chain: Sequence[Effect]) -> bool:
    """Whether one of the effects hides people."""
    return any(effect.hides_people for effect in chain)


def _map(topic: str, needs: Wanted, paint: Callable[[FrameContext], tuple[NDArray[Any], str] | None]) -> OutputTopic:
    """Make the row of a map of numbers."""

    def make(context: FrameContext) -> Any:
        painted = paint(context)
        return painted and image_message(context.messages, context.message.header, *painted)

    return OutputTopic(topic, "sensor_msgs/msg/Image", make, lambda live: needs)


def _mask(context: FrameContext) -> tuple[NDArray[Any], str] | None:
    person = context.result.person
    return None if person is None else (person * np.uint8(255), "mono8")


def _parts(context: FrameContext) -> tuple[NDArray[Any], str] | None:
    parts = context.result.parts
    return None if parts is None else (parts.view(np.uint8) + np.uint8(1), "mono8")


def _instances(context: FrameContext) -> tuple[NDArray[Any], str] | None:
    instances = context.result.instances
    return None if instances is None else ((instances + np.int16(1)).astype(np.uint8), "mono8")


def _classes(context: FrameContext) -> tuple[NDArray[Any], str] | None:
    classes = context.result.classes
    return None if classes is None else (classes, "mono8")


def _confidence(context: FrameContext) -> tuple[NDArray[Any], str] | None:
    confidence = context.result.confidence
    if confidence is None:
        return None
    if context.live.settings.confidence_encoding == "32FC1":
        return confidence, "32FC1"
    return np.rint(confidence * np.float32(255)).astype(np.uint8), "mono8"


def _pictures(
    name: str,
    paint: Painter,
    needs: Callable[[LiveSettings], Wanted],
    extras: Wanted = Wanted.NOTHING,
    effects: Callable[[LiveSettings], Sequence[Effect]] | None = None,
) -> tuple[OutputTopic, OutputTopic]:
    """Make the two rows of an image for viewers: raw, in the input's color order, and JPEG."""

    def more(live: LiveSettings) -> Wanted:
        return extras

    def raw(context: FrameContext) -> Any:
        image = context.picture(name, paint)
        if image is None:
            return None
        order = "rgb" if str(getattr(context.message, "encoding", "")).startswith("rgb") else "bgr"
        encoding = f"{order}8" if image.shape[2] == 3 else f"{order}a8"
        return image_message(context.messages, context.message.header, image, encoding)

    def compressed(context: FrameContext) -> Any:
        image = context.picture(name, paint)
        quality = context.live.settings.jpeg_quality
        return None if image is None else compressed_message(context.messages, context.message.header, image, quality)

    return (
        OutputTopic(f"~/{name}", "sensor_msgs/msg/Image", raw, needs, more, effects),
        OutputTopic(f"~/{name}/compressed", "sensor_msgs/msg/CompressedImage", compressed, needs, more, effects),
    )


def paint_parts(context: FrameContext) -> NDArray[np.uint8] | None:
    """Paint each part in its color."""
    return None if context.result.parts is None else colored_parts(context.result.parts)


def paint_overlay(context: FrameContext) -> NDArray[np.uint8]:
    """Apply `overlay_effects`."""
    return compose_all(context.live.overlay, context.frame, context.result)


def paint_composite(context: FrameContext) -> NDArray[np.uint8]:
    """Apply `effects`."""
    return compose_all(context.live.composite, context.frame, context.result)


def _camera_info(context: FrameContext) -> Any:
    return camera_info_of(context.messages, context.camera_info, context.message.header, context.frame.size)


def _details(live: LiveSettings) -> Wanted:
    return Wanted.PARTS | Wanted.INSTANCES if live.settings.pose_details else Wanted.NOTHING


def _in_space(topic: str, type_name: str, make: Callable[[FrameContext], Any]) -> OutputTopic:
    """Make the row of a topic that tells where people are, from the depth of each one's own pixels."""

    def pixels(live: LiveSettings) -> Wanted:
        return Wanted.INSTANCES

    return OutputTopic(topic, type_name, make, lambda live: Wanted.POSES, pixels, in_space=True)


OUTPUTS: Final = (
    _map("~/mask", Wanted.PERSON, _mask),
    _map("~/parts", Wanted.PARTS, _parts),
    _map("~/instances", Wanted.INSTANCES, _instances),
    _map("~/confidence", Wanted.CONFIDENCE, _confidence),
    _map("~/classes", Wanted.CLASSES, _classes),
    *_pictures("parts_color", paint_parts, lambda live: Wanted.PARTS),
    # One color per person where people are told apart, even if only another topic asked for that.
    *_pictures(
        "overlay", paint_overlay, lambda live: needs_of(live.overlay), Wanted.INSTANCES, lambda live: live.overlay
    ),
    *_pictures(
        "composite", paint_composite, lambda live: needs_of(live.composite), effects=lambda live: live.composite
    ),
    OutputTopic("~/camera_info", CAMERA_INFO, _camera_info),
    OutputTopic(
        "~/poses", "bodyseg_ros/msg/PersonPoseArray", poses, lambda live: Wanted.POSES, _details, in_space=True
    ),
    OutputTopic("~/detections", "vision_msgs/msg/Detection2DArray", detections, lambda live: Wanted.POSES, _details),
    _in_space("~/detections_3d", "vision_msgs/msg/Detection3DArray", detections_3d),
    _in_space("~/markers", "visualization_msgs/msg/MarkerArray", markers),
    _in_space("~/people", "people_msgs/msg/People", people),
    _in_space(EVENTS, "bodyseg_ros/msg/PersonEventArray", events),
)

#: Latched topics that explain the numbers in maps: topic → (explanation, classes of the model's card → number → name).
_LABELS: Final[Mapping[str, tuple[Wanted, Callable[[Sequence[str]], Mapping[int, str]]]]] = {
    "~/mask/label_info": (Wanted.PERSON, lambda _: {0: "background", 255: "person"}),
    "~/label_info": (Wanted.PARTS, lambda _: {0: "background"} | {i + 1: name for i, name in enumerate(PART_NAMES)}),
    "~/classes/label_info": (Wanted.CLASSES, lambda classes: dict(enumerate(classes))),
}


def label_infos(messages: Messages, offers: Wanted, classes: Sequence[str], time_ns: int) -> Iterator[tuple[str, Any]]:
    """Return (topic, vision_msgs/LabelInfo) for every map the network offers.

    classes: those of the model's card. time_ns: time of publication.
    """
    for topic, (needs, names_of) in _LABELS.items():
        if needs & offers:
            named = [
                messages.make("vision_msgs/msg/VisionClass", class_id=number, class_name=name)
                for number, name in names_of(classes).items()
            ]
            header = make_header(messages, time_ns)
            yield topic, messages.make("vision_msgs/msg/LabelInfo", header=header, class_map=named)
