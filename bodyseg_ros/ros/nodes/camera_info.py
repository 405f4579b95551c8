"""A camera's description, which comes beside its pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..graph.port import Graph, Messages, Subscription
from ..graph.qos import SENSOR

__all__ = ["CAMERA_INFO", "camera_info_of", "subscribe_camera_info"]

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


def picture_sizes(info: Any) -> set[tuple[int, int]]:
    """The (height, width) that a camera's pictures may have.

    height and width are those of the calibration; the driver may read out a part of the sensor (roi, 0 for all of it)
    and sum pixels (binning, 0 for 1). Source: sensor_msgs 5.3, ``CameraInfo.msg``.
    """
    read_out = (info.roi.height or info.height, info.roi.width or info.width)
    binned = (read_out[0] // max(info.binning_y, 1), read_out[1] // max(info.binning_x, 1))
    # Some drivers give the binned size as the calibration's.
    return {(info.height, info.width), binned}


def camera_info_of(messages: Messages, info: Any, header: Any, size: tuple[int, int]) -> Any:
    """The camera's own message under a picture's header; None if it is of pictures of another (height, width).

    A message without any size, as of a camera that is not calibrated, fits every picture.
    """
    if info is None or (info.height and info.width and size not in picture_sizes(info)):
        return None
    names = ("height", "width", "distortion_model", "d", "k", "r", "p", "binning_x", "binning_y", "roi")
    return messages.make(CAMERA_INFO, header=header, **{name: getattr(info, name) for name in names})
