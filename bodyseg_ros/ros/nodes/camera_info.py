"""Reading and choosing sensor_msgs/CameraInfo."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

from ...errors import FrameError
from ...space import Pinhole
from ..graph.port import Graph, Messages, Publisher, Subscription
from ..graph.qos import SENSOR, Qos
from ..graph.video_messages import VIDEO_TYPES

__all__ = ["CAMERA_INFO", "camera_info_of", "pinhole_of", "publish_camera_info", "subscribe_camera_info"]

T = TypeVar("T", Publisher, Subscription)

CAMERA_INFO = "sensor_msgs/msg/CameraInfo"


def subscribe_camera_info(graph: Graph, topic: str, image_topic: str, take: Callable[[Any], None]) -> Subscription:
    """Subscribe to `topic` if it is remapped, otherwise to the camera_info topic beside the image topic."""
    return _open_beside(graph, topic, image_topic, lambda name: graph.subscribe(name, CAMERA_INFO, SENSOR, take))


def publish_camera_info(graph: Graph, image_topic: str, qos: Qos) -> Publisher:
    """Publish on `camera_info` if it is remapped, otherwise on the camera_info topic beside the image topic."""
    return _open_beside(graph, "camera_info", image_topic, lambda name: graph.publisher(name, CAMERA_INFO, qos))


def _open_beside(graph: Graph, topic: str, image_topic: str, open_topic: Callable[[str], T]) -> T:
    raw_topic = re.sub(rf"/({'|'.join(('compressed', *VIDEO_TYPES))})$", "", image_topic)
    beside = f"{raw_topic.rpartition('/')[0]}/camera_info"
    opened = open_topic(topic)
    if opened.topic != f"{graph.namespace.rstrip('/')}/{topic}" or opened.topic == beside:
        return opened
    opened.close()
    return open_topic(beside)


def picture_sizes(info: Any) -> set[tuple[int, int]]:
    """Return the (height, width) values that images of this camera may have.

    height and width are those of the calibration. The driver may read out a part of the sensor (roi; 0: all of it) and
    bin pixels (binning; 0: 1). Source: sensor_msgs 5.3, ``CameraInfo.msg``.
    """
    read_out = (info.roi.height or info.height, info.roi.width or info.width)
    binned = (read_out[0] // max(info.binning_y, 1), read_out[1] // max(info.binning_x, 1))
    # Some drivers report the binned size as the calibration's.
    return {(info.height, info.width), binned}


def camera_info_of(messages: Messages, info: Any, header: Any, size: tuple[int, int]) -> Any:
    """Return the camera's CameraInfo under an image's header; None if it describes another (height, width).

    A message without any size, as from an uncalibrated camera, fits every image.
    """
    if info is None or (info.height and info.width and size not in picture_sizes(info)):
        return None
    names = ("height", "width", "distortion_model", "d", "k", "r", "p", "binning_x", "binning_y", "roi")
    return messages.make(CAMERA_INFO, header=header, **{name: getattr(info, name) for name in names})


def pinhole_of(info: Any, size: tuple[int, ...], *, rectified: bool) -> Pinhole:
    """Return the camera described by a sensor_msgs/CameraInfo, for images of `size` (height, width).

    rectified: use P and no distortion; otherwise K and D. Raises FrameError if the camera is not calibrated, its lens
    model is unknown, or its images have another size.
    """
    if size not in picture_sizes(info):
        raise FrameError(
            f"The camera_info is of pictures of {info.width}×{info.height}, but the picture is {size[1]}×{size[0]}; "
            "remap camera_info to the topic of the same camera."
        )
    whole = size == (info.height, info.width)  # also where the driver reports the binned size as the calibration's
    region = (0, 0, 0, 0) if whole else (info.roi.x_offset, info.roi.y_offset, info.roi.width, info.roi.height)
    binning = (1, 1) if whole else (info.binning_x, info.binning_y)
    p = info.p
    matrix = (*p[0:3], *p[4:7], *p[8:11]) if rectified else info.k
    model, coefficients = ("", ()) if rectified else (str(info.distortion_model), info.d)
    calibrated = (int(info.height), int(info.width))
    return Pinhole.of_calibration(calibrated, matrix, model, coefficients, binning, region)
