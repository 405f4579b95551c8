"""A camera's description, which comes beside its pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...space import Pinhole
from ..graph.port import Graph, Messages, Subscription
from ..graph.qos import SENSOR

__all__ = ["CAMERA_INFO", "camera_info_of", "pinhole_of", "subscribe_camera_info"]

CAMERA_INFO = "sensor_msgs/msg/CameraInfo"


def subscribe_camera_info(graph: Graph, topic: str, image_topic: str, take: Callable[[Any], None]) -> Subscription:
    """`topic` as it is remapped; where it is not, the one beside the image, as cameras publish it."""

    def subscribe(name: str) -> Subscription:
        return graph.subscribe(name, CAMERA_INFO, SENSOR, take)

    beside = f"{image_topic.removesuffix('/compressed').rpartition('/')[0]}/camera_info"
    subscription = subscribe(topic)
    if subscription.topic != f"{graph.namespace.rstrip('/')}/{topic}" or subscription.topic == beside:
        return subscription
    subscription.close()
    return subscribe(beside)


def camera_info_of(messages: Messages, info: Any, header: Any, size: tuple[int, int]) -> Any:
    """The camera's own message under a picture's header; None if there is none of the picture's (height, width)."""
    if info is None or (info.height, info.width) != size:
        return None
    names = ("height", "width", "distortion_model", "d", "k", "r", "p", "binning_x", "binning_y", "roi")
    return messages.make(CAMERA_INFO, header=header, **{name: getattr(info, name) for name in names})


def pinhole_of(info: Any, *, rectified: bool) -> Pinhole:
    """The camera that a sensor_msgs/CameraInfo describes; rectified: by P, without distortion, else by K and D.

    Raises FrameError for a camera that is not calibrated, or whose lens is not known.
    """
    region = (info.roi.x_offset, info.roi.y_offset, info.roi.width, info.roi.height)
    p = info.p
    matrix = (*p[0:3], *p[4:7], *p[8:11]) if rectified else info.k
    model, coefficients = ("", ()) if rectified else (str(info.distortion_model), info.d)
    size = (int(info.height), int(info.width))
    return Pinhole.of_calibration(size, matrix, model, coefficients, (info.binning_x, info.binning_y), region)
