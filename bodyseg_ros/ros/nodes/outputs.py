"""What the node `bodyseg` publishes: a table, one row per topic."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...body import PART_NAMES
from ...effects import colored_parts, compose_all, needs_of
from ...types import Frame, Result, Wanted
from ..graph.image_messages import compressed_message, image_message, read_compressed, read_image
from ..graph.port import Messages
from .camera_info import CAMERA_INFO, camera_info_of
from .live_settings import LiveSettings
from .people_messages import detections, poses

__all__ = ["OUTPUTS", "Output", "Scene", "label_infos", "read_frame", "wanted_of"]


@dataclass
class Scene:
    """One frame with all that is known of it; each picture is made once, whoever asks.

    message: the picture as it came. camera_info: the camera's last message, None if there was none.
    """

    messages: Messages
    message: Any
    frame: Frame
    result: Result
    choices: LiveSettings
    model: str
    camera_info: Any = None
    _pictures: dict[str, NDArray[np.uint8]] = field(default_factory=dict)

    def picture(self, name: str, paint: Painter) -> NDArray[np.uint8] | None:
        """The picture `name`: (H, W, 3) RGB or (H, W, 4) RGBA uint8; None where the result lacks what it shows."""
        if name not in self._pictures:
            image = paint(self)
            if image is None:
                return None
            self._pictures[name] = image
        return self._pictures[name]


Painter = Callable[[Scene], NDArray[np.uint8] | None]


def _nothing(choices: LiveSettings) -> Wanted:
    return Wanted.NOTHING


@dataclass(frozen=True)
class Output:
    """One topic.

    make: its message, None where the result lacks what it shows. needs: what it cannot be made without.
    extras: what fills it further, where the network computes it.
    """

    topic: str
    type: str
    make: Callable[[Scene], Any]
    needs: Callable[[LiveSettings], Wanted] = _nothing
    extras: Callable[[LiveSettings], Wanted] = _nothing


def wanted_of(outputs: Sequence[Output], choices: LiveSettings) -> Wanted:
    """Everything that these outputs read of a result."""
    wanted = Wanted.NOTHING
    for output in outputs:
        wanted |= output.needs(choices) | output.extras(choices)
    return wanted


def read_frame(message: Any) -> Frame:
    """A sensor_msgs Image or CompressedImage as a frame. Raises FrameError."""
    return read_image(message) if hasattr(message, "encoding") else read_compressed(message)


def _map(topic: str, needs: Wanted, paint: Callable[[Scene], tuple[NDArray[Any], str] | None]) -> Output:
    """A row for a picture of numbers."""

    def make(scene: Scene) -> Any:
        painted = paint(scene)
        return painted and image_message(scene.messages, scene.message.header, *painted)

    return Output(topic, "sensor_msgs/msg/Image", make, lambda choices: needs)


def _mask(scene: Scene) -> tuple[NDArray[Any], str] | None:
    person = scene.result.person
    return None if person is None else (person * np.uint8(255), "mono8")


def _parts(scene: Scene) -> tuple[NDArray[Any], str] | None:
    parts = scene.result.parts
    return None if parts is None else (parts.view(np.uint8) + np.uint8(1), "mono8")


def _instances(scene: Scene) -> tuple[NDArray[Any], str] | None:
    instances = scene.result.instances
    return None if instances is None else ((instances + np.int16(1)).astype(np.uint8), "mono8")


def _classes(scene: Scene) -> tuple[NDArray[Any], str] | None:
    classes = scene.result.classes
    return None if classes is None else (classes, "mono8")


def _confidence(scene: Scene) -> tuple[NDArray[Any], str] | None:
    confidence = scene.result.confidence
    if confidence is None:
        return None
    if scene.choices.settings.confidence_encoding == "32FC1":
        return confidence, "32FC1"
    return np.rint(confidence * np.float32(255)).astype(np.uint8), "mono8"


def _pictures(
    name: str, paint: Painter, needs: Callable[[LiveSettings], Wanted], extras: Wanted = Wanted.NOTHING
) -> tuple[Output, Output]:
    """The two rows of a picture for people: raw, in the input's colour order, and as JPEG."""

    def more(choices: LiveSettings) -> Wanted:
        return extras

    def raw(scene: Scene) -> Any:
        image = scene.picture(name, paint)
        if image is None:
            return None
        order = "rgb" if str(getattr(scene.message, "encoding", "")).startswith("rgb") else "bgr"
        encoding = f"{order}8" if image.shape[2] == 3 else f"{order}a8"
        return image_message(scene.messages, scene.message.header, image, encoding)

    def compressed(scene: Scene) -> Any:
        image = scene.picture(name, paint)
        quality = scene.choices.settings.jpeg_quality
        return None if image is None else compressed_message(scene.messages, scene.message.header, image, quality)

    return (
        Output(f"~/{name}", "sensor_msgs/msg/Image", raw, needs, more),
        Output(f"~/{name}/compressed", "sensor_msgs/msg/CompressedImage", compressed, needs, more),
    )


def _parts_color(scene: Scene) -> NDArray[np.uint8] | None:
    return None if scene.result.parts is None else colored_parts(scene.result.parts)


def _overlay(scene: Scene) -> NDArray[np.uint8]:
    return compose_all(scene.choices.overlay, scene.frame, scene.result)


def _composite(scene: Scene) -> NDArray[np.uint8]:
    return compose_all(scene.choices.composite, scene.frame, scene.result)


def _camera_info(scene: Scene) -> Any:
    return camera_info_of(scene.messages, scene.camera_info, scene.message.header, scene.frame.size)


def _details(choices: LiveSettings) -> Wanted:
    return Wanted.PARTS | Wanted.INSTANCES if choices.settings.pose_details else Wanted.NOTHING


OUTPUTS: Final = (
    _map("~/mask", Wanted.PERSON, _mask),
    _map("~/parts", Wanted.PARTS, _parts),
    _map("~/instances", Wanted.INSTANCES, _instances),
    _map("~/confidence", Wanted.CONFIDENCE, _confidence),
    _map("~/classes", Wanted.CLASSES, _classes),
    *_pictures("parts_color", _parts_color, lambda choices: Wanted.PARTS),
    # Told apart, people get a colour each, whoever else listens.
    *_pictures("overlay", _overlay, lambda choices: needs_of(choices.overlay), extras=Wanted.INSTANCES),
    *_pictures("composite", _composite, lambda choices: needs_of(choices.composite)),
    Output("~/camera_info", CAMERA_INFO, _camera_info),
    Output("~/poses", "bodyseg_ros/msg/PersonPoseArray", poses, lambda choices: Wanted.POSES, _details),
    Output("~/detections", "vision_msgs/msg/Detection2DArray", detections, lambda choices: Wanted.POSES, _details),
)

#: Latched topics that say what the numbers in the maps mean: topic → (what it explains, classes of the model's card →
#: number → name).
_LABELS: Final[Mapping[str, tuple[Wanted, Callable[[Sequence[str]], Mapping[int, str]]]]] = {
    "~/mask/label_info": (Wanted.PERSON, lambda _: {0: "background", 255: "person"}),
    "~/label_info": (Wanted.PARTS, lambda _: {0: "background"} | {i + 1: name for i, name in enumerate(PART_NAMES)}),
    "~/classes/label_info": (Wanted.CLASSES, lambda classes: dict(enumerate(classes))),
}


def label_infos(messages: Messages, offers: Wanted, classes: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """(topic, vision_msgs/LabelInfo) of all that the network offers; classes: those of its model's card."""
    for topic, (needs, names_of) in _LABELS.items():
        if needs & offers:
            named = [
                messages.make("vision_msgs/msg/VisionClass", class_id=number, class_name=name)
                for number, name in names_of(classes).items()
            ]
            yield topic, messages.make("vision_msgs/msg/LabelInfo", class_map=named)
