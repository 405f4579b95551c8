"""Which CameraInfo belongs to which picture, after the message's own description of its fields."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bodyseg_ros.ros.graph.rosbag_types import RosbagMessages
from bodyseg_ros.ros.nodes.camera_info import CAMERA_INFO, camera_info_of

MESSAGES = RosbagMessages()


def camera_info(height: int, width: int, binning: tuple[int, int] = (0, 0), roi: tuple[int, int] = (0, 0)) -> Any:
    region = MESSAGES.make("sensor_msgs/msg/RegionOfInterest", height=roi[0], width=roi[1], x_offset=4, y_offset=2)
    return MESSAGES.make(
        CAMERA_INFO, height=height, width=width, binning_y=binning[0], binning_x=binning[1], roi=region,
        k=np.arange(9.0), distortion_model="plumb_bob", d=np.arange(5.0),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("info", "size"),
    [
        (camera_info(480, 640), (480, 640)),
        (camera_info(960, 1280, binning=(2, 2)), (480, 640)),
        (camera_info(960, 1280, binning=(1, 4)), (960, 320)),
        (camera_info(960, 1280, roi=(200, 300)), (200, 300)),
        (camera_info(960, 1280, roi=(200, 300), binning=(2, 2)), (100, 150)),
        (camera_info(481, 641, binning=(2, 2)), (240, 320)),
        (camera_info(480, 640, binning=(2, 2)), (480, 640)),  # a driver that gives the binned size
        (camera_info(0, 0), (480, 640)),  # not calibrated
    ],
)
def test_it_is_passed_on_as_it_came(info: Any, size: tuple[int, int]) -> None:
    header = MESSAGES.make("std_msgs/msg/Header", frame_id="lens")
    passed = camera_info_of(MESSAGES, info, header, size)
    assert passed.header.frame_id == "lens"
    for name in ("height", "width", "binning_x", "binning_y", "roi", "distortion_model"):
        assert getattr(passed, name) == getattr(info, name)
    assert (passed.k == info.k).all()
    assert (passed.d == info.d).all()


@pytest.mark.parametrize(
    ("info", "size"),
    [
        (camera_info(480, 640), (240, 320)),
        (camera_info(960, 1280, binning=(2, 2)), (320, 640)),
        (camera_info(960, 1280, roi=(200, 300)), (300, 200)),
        (None, (480, 640)),
    ],
)
def test_that_of_other_pictures_is_not(info: Any, size: tuple[int, int]) -> None:
    assert camera_info_of(MESSAGES, info, MESSAGES.make("std_msgs/msg/Header"), size) is None
