"""Every parameter of the nodes."""

from __future__ import annotations

from typing import Literal

from pydantic import field_validator

from ...person import VISIBLE_SCORE
from ...privacy import HidingSettings
from ...settings import Settings, live, start_only
from ...types import MAX_PIXELS
from ..graph.image_messages import CompressedColors

__all__ = [
    "CameraSettings",
    "CompositorSettings",
    "NodeSettings",
    "PictureSettings",
    "PrivacySettings",
    "ProcessSettings",
    "RecorderSettings",
    "SourceSettings",
]


class InputSettings(Settings):
    """What the nodes that take a camera's topic and make pictures for people share."""

    image_transport: Literal["raw", "compressed"] = start_only(
        "raw", "Take frames from `image` (raw) or from `image/compressed` (compressed: JPEG, PNG)."
    )
    max_image_px: int = start_only(
        33_177_600,
        "Pictures of more pixels are refused before they are decoded: one of them would hold up all that come after "
        "it. 33,177,600 is 7680×4320.",
        ge=1,
        le=MAX_PIXELS,
    )
    compressed_colors: CompressedColors = start_only(
        "auto",
        "Colors of compressed pictures. auto: as their format says, read as image_transport reads it. as_stored: as "
        "any viewer shows the file. swapped: red for blue. The last two are for drivers whose format is wrong.",
    )
    mono16_bits: Literal[0, 8, 10, 12, 14, 16] = start_only(
        0, "Bits that 16-bit pictures use; 0: as many as the brightest pixel so far needs."
    )
    jpeg_quality: int = live(90, "Quality of the compressed pictures.", ge=1, le=100)
    diagnostics_period: float = start_only(1.0, "Seconds between two messages on /diagnostics.", ge=0.1, le=60.0)

    @property
    def image_topic(self) -> tuple[str, str]:
        """Where frames come from: (topic, type)."""
        if self.image_transport == "compressed":
            return "image/compressed", "sensor_msgs/msg/CompressedImage"
        return "image", "sensor_msgs/msg/Image"


class PictureSettings(InputSettings):
    """What both nodes whose pictures are made by effects alone share."""

    effects: tuple[str, ...] = live(
        ("blur_background",), "Effects that make `~/composite`, one after the other; `bodyseg params` lists them."
    )

    @field_validator("effects", "overlay_effects", check_fields=False)
    @classmethod
    def _some(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        # Without an effect the picture would be the raw one: what a privacy filter must never send.
        if not value:
            raise ValueError("A list of effects is empty, but effects and overlay_effects must name at least one.")
        return value


class ProcessSettings(Settings):
    """What the program reads before there is a node."""

    cameras: tuple[str, ...] = start_only(
        (),
        "Namespaces of cameras that share one process and its networks: for each, a node `bodyseg` in that namespace, "
        "below the node's own; none: one node, one camera.",
    )

    @field_validator("cameras")
    @classmethod
    def _different(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError(f"Parameter cameras is {list(value)!r}, but each camera may stand in it once.")
        return value


class NodeSettings(PictureSettings, ProcessSettings):
    """The node `bodyseg`."""

    enabled: bool = live(True, "Process frames; the service `~/enable` sets it too.")
    frame_policy: Literal["newest", "all"] = start_only(
        "newest",
        "newest: process the newest frame and drop older ones that wait. all: process every frame that arrives; "
        "pictures come best effort, so set qos_overrides to reliable where none may be lost on the way.",
    )
    overlap: Literal["auto", "always", "never"] = start_only(
        "auto",
        "Prepare and decode other frames while one is in the network: auto (where the engine says that it leaves the "
        "CPU free, as on a GPU), always (also for cores that `threads` leaves free) or never; not for networks that "
        "need the last frame's result.",
    )
    confidence_encoding: Literal["mono8", "32FC1"] = live(
        "mono8", "How `~/confidence` is sent: mono8, 0 to 255, or 32FC1, 0 to 1."
    )
    overlay_effects: tuple[str, ...] = live(
        ("overlay", "skeleton"),
        "Effects that make `~/overlay`, one after the other; of the default ones, those that the network can fill.",
    )
    visible_score: float = live(VISIBLE_SCORE, "A keypoint of at least this score is called visible.", ge=0.0, le=1.0)
    pose_details: bool = live(
        True,
        "Fill region, mask area and visible parts of `~/poses` from masks and parts; false computes the poses alone.",
    )
    depth_slop: float = start_only(
        0.0,
        "A depth image of `depth/image` may be this much younger than the colour image whose people are taken out of "
        "it, s; 0: stamps must be equal. It is never older.",
        ge=0.0,
        le=1.0,
    )
    depth_margin_px: int = live(8, "People are taken out of depth images with this margin, colour px.", ge=0, le=200)


class CompositorSettings(PictureSettings):
    """The node `compositor`."""

    waiting_frames: int = start_only(
        30, "Most images, and most masks, kept until the other with the same stamp comes.", ge=1, le=1000
    )


class SourceSettings(Settings):
    """Pictures that a node fetches itself."""

    source: str = start_only(
        "", "A photo, a folder of photos, a video, a webcam's number (0) or device, or a stream's address."
    )
    rate: float = start_only(
        0.0, "Frames per second; 0 takes the video's or camera's own, and 10 for photos.", ge=0.0, le=1000.0
    )
    loop: bool = start_only(True, "Begin again at the end; false ends the node.")
    frame_id: str = start_only("camera", "Frame of the header.")


class CameraSettings(SourceSettings):
    """The node `camera`."""

    encoding: Literal["bgr8", "rgb8", "mono8"] = start_only("bgr8", "How `image` is sent.")


class PrivacySettings(InputSettings, SourceSettings, HidingSettings):
    """The node `privacy_camera`; without a source it takes frames from the topic `image`."""

    hold_frames: int = start_only(
        10,
        "How many frames a place stays covered after a person was last seen there; as many are looked at before the "
        "first picture is shown.",
        ge=0,
        le=1000,
    )
    max_age: float = start_only(
        1.0,
        "Age of a picture from which it is not shown, s: it came late, or its mask did. Where nothing was sent for as "
        "long, a blank picture says why; so it must be longer than the time between two pictures.",
        ge=0.01,
        le=60.0,
    )
    effects: tuple[str, ...] = start_only(
        (), "Effects that work on the picture after people are covered; `bodyseg params` lists them."
    )


class RecorderSettings(Settings):
    """The node `recorder`."""

    topics: tuple[str, ...] = start_only((), "Topics to hear, each as NAME:TYPE.")
    bag: str = start_only("", "The bag to write: a file ending in .mcap, or a folder; '' writes none.")
    report: str = start_only("", "A JSON file for rates and latencies; '' writes none.")
    messages: int = start_only(
        0,
        "End after so many messages of every topic heard (latched ones and diagnostics aside); 0 waits to be told.",
        ge=0,
    )
    seconds: float = start_only(0.0, "End so long after the first topic's first message; 0 waits to be told.", ge=0.0)
