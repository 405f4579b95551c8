"""Every parameter of the nodes."""

from __future__ import annotations

from typing import Literal

from pydantic import field_validator

from ...person import VISIBLE_SCORE
from ...privacy import LiveHidingSettings
from ...settings import Settings, live, start_only
from ...types import MAX_PIXELS
from ...web import PageSettings
from ..graph.image_messages import CompressedColors
from ..graph.video_messages import VIDEO_TYPES

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

    image_transport: Literal["raw", "compressed", "ffmpeg", "foxglove"] = start_only(
        "raw",
        "Subscribe to `image` (raw), `image/compressed` (JPEG, PNG), `image/ffmpeg` (FFMPEGPacket) or `image/foxglove` "
        "(CompressedVideo). The last two are H.264, H.265, AV1 or VP9 video and need PyAV.",
    )
    max_image_px: int = start_only(
        33_177_600,
        "Images with more pixels are refused before decoding, because they would delay all later frames. "
        "33,177,600 is 7680×4320.",
        ge=1,
        le=MAX_PIXELS,
    )
    compressed_colors: CompressedColors = start_only(
        "auto",
        "Channel order of compressed images. auto: from the message's format field, as image_transport does. "
        "as_stored: as in the file. swapped: red and blue swapped. Use the last two for drivers with a wrong "
        "format field.",
    )
    mono16_bits: Literal[0, 8, 10, 12, 14, 16] = start_only(
        0, "Bits used in 16-bit images; 0: as many as the brightest pixel so far needs."
    )
    jpeg_quality: int = live(90, "JPEG quality of compressed images.", ge=1, le=100)
    diagnostics_period: float = start_only(1.0, "Period of /diagnostics, s.", ge=0.1, le=60.0)

    @property
    def image_topic(self) -> tuple[str, str]:
        """Where frames come from: (topic, type)."""
        if self.image_transport == "compressed":
            return "image/compressed", "sensor_msgs/msg/CompressedImage"
        if self.image_transport in VIDEO_TYPES:
            return f"image/{self.image_transport}", VIDEO_TYPES[self.image_transport]
        return "image", "sensor_msgs/msg/Image"


class PictureSettings(InputSettings):
    """What both nodes whose pictures are made by effects alone share."""

    effects: tuple[str, ...] = live(
        ("blur_background",), "Effects for `~/composite`, in order; `bodyseg params` lists them."
    )

    @field_validator("effects", "overlay_effects", check_fields=False)
    @classmethod
    def _some(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        # Without an effect the picture would be the raw one: what a privacy filter must never send.
        if not value:
            raise ValueError("A list of effects is empty, but effects and overlay_effects need at least one.")
        return value


class ProcessSettings(Settings):
    """What the program reads before there is a node."""

    cameras: tuple[str, ...] = start_only(
        (),
        "Namespaces of cameras that share this process and its networks. Each gets a node `bodyseg` in that "
        "namespace, below the node's own. Empty: one node, one camera.",
    )

    @field_validator("cameras")
    @classmethod
    def _different(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError(f"Parameter cameras is {list(value)!r}, but each camera may appear only once.")
        return value


class NodeSettings(PictureSettings, ProcessSettings, PageSettings):
    """The node `bodyseg`."""

    enabled: bool = live(True, "Process frames; also set by the service `~/enable`.")
    frame_policy: Literal["newest", "all"] = start_only(
        "newest",
        "newest: process the newest frame and drop older ones. all: process every received frame. Images are "
        "subscribed to as best effort; set qos_overrides to reliable if none may be lost.",
    )
    overlap: Literal["auto", "always", "never"] = start_only(
        "auto",
        "Prepare and decode other frames while one is in the network. auto: if the engine leaves the CPU free, "
        "as on a GPU. always: also on the CPU, using cores that `threads` leaves free. Ignored for networks that "
        "need the previous frame's result.",
    )
    confidence_encoding: Literal["mono8", "32FC1"] = live(
        "mono8", "Encoding of `~/confidence`: mono8 (0 to 255) or 32FC1 (0 to 1)."
    )
    overlay_effects: tuple[str, ...] = live(
        ("overlay", "skeleton"),
        "Effects for `~/overlay`, in order; default effects that the network cannot supply are skipped.",
    )
    visible_score: float = live(VISIBLE_SCORE, "Minimum score of a visible keypoint.", ge=0.0, le=1.0)
    pose_details: bool = live(
        True,
        "Fill region, mask area and visible parts of `~/poses`, which needs masks and parts; false: poses only.",
    )
    depth_slop: float = start_only(
        0.0,
        "Maximum time by which a depth image may be newer than the color image it is paired with, s; 0: stamps "
        "must be equal. It is never older.",
        ge=0.0,
        le=1.0,
    )
    removal_margin_px: int = live(
        8, "Margin around people removed from depth images, clouds and scans, color px.", ge=0, le=200
    )
    removal_margin_m: float = live(
        0.5,
        "Points inside a person's silhouette are kept if they are more than this behind the nearest surface there, m; "
        "in depth images this applies to the margin.",
        ge=0.0,
        le=10.0,
    )
    removal_slop: float = start_only(
        0.05,
        "Maximum time between a cloud or scan and the mask applied to it, older or newer, s; the nearest mask is "
        "used. 0: stamps must be equal.",
        ge=0.0,
        le=1.0,
    )
    removal_wait: float = start_only(
        0.5, "How long a cloud or scan waits for its mask before without_mask applies, s.", ge=0.0, le=10.0
    )
    without_mask: Literal["drop", "pass"] = start_only(
        "drop",
        "What to do with a cloud or scan whose mask, transform or camera_info is missing. drop: do not publish it. "
        "pass: publish it unchanged, with people.",
    )
    removal_fixed_frame: str = start_only(
        "",
        "A fixed frame such as odom, used to move clouds and scans to the time of the mask on a moving robot; '': "
        "camera and sensor do not move relative to each other.",
    )
    image_rectified: bool = start_only(
        False, "Images are rectified: points are projected with P of camera_info instead of K and D."
    )
    depth_rectified: bool = start_only(
        False, "Depth images are rectified: P of `depth/camera_info` is used instead of K and D."
    )
    target_frame: str = start_only(
        "",
        "tf frame of people's positions, boxes, velocities and markers; '': the color camera's. `point3d` in "
        "`~/poses` is always in the camera's.",
    )
    humans: bool = start_only(
        False,
        "Publish REP-155's `/humans/bodies/tracked` and topics for each body, and its tf frame `body_<id>`; needs "
        "hri_msgs under rclpy.",
    )
    space_slop: float = start_only(
        0.02,
        "Maximum time between a color image and the depth image that locates its people, older or newer, s; the "
        "nearest one is used. 0: stamps must be equal.",
        ge=0.0,
        le=1.0,
    )
    space_wait: float = start_only(
        0.05,
        "How long a result waits for its depth image and transforms, s, if depth images arrive at all; then it is "
        "published without positions.",
        ge=0.0,
        le=1.0,
    )


class CompositorSettings(PictureSettings):
    """The node `compositor`."""

    waiting_frames: int = start_only(
        30, "Maximum number of images, and of masks, waiting for a partner with the same stamp.", ge=1, le=1000
    )


class SourceSettings(Settings):
    """Pictures that a node fetches itself."""

    source: str = start_only("", "A photo, folder of photos, video, webcam number (0) or device, or stream URL.")
    rate: float = start_only(
        0.0, "Frames per second; 0: the video's or camera's own rate, 10 for photos.", ge=0.0, le=1000.0
    )
    loop: bool = start_only(True, "Restart the source at its end; false: end the node.")
    frame_id: str = start_only("camera", "frame_id of the header.")


class CameraSettings(SourceSettings):
    """The node `camera`."""

    encoding: Literal["bgr8", "rgb8", "mono8"] = start_only("bgr8", "Encoding of `image`.")


class PrivacySettings(InputSettings, SourceSettings, LiveHidingSettings, PageSettings):
    """The node `privacy_camera`; without a source it takes frames from the topic `image`."""

    max_age: float = start_only(
        1.0,
        "Maximum age of an image when its mask is ready, s; older images are not shown. delay_frames come on top. "
        "After this time without an image, a dark image with the reason is sent, so it must be longer than the frame "
        "interval.",
        ge=0.01,
        le=60.0,
    )
    effects: tuple[str, ...] = start_only(
        (), "Effects applied after people are covered, in order; `bodyseg params` lists them."
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
