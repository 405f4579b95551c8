"""A camera's pictures as its parameters say."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from bodyseg_ros.ros.graph.rosbag_types import RosbagMessages
from bodyseg_ros.ros.nodes.frame_reader import FrameReader
from bodyseg_ros.ros.nodes.node_settings import InputSettings

MESSAGES = RosbagMessages()


def mono16(brightest: int) -> Any:
    values = np.array([[0, brightest]], np.uint16)
    return MESSAGES.make(
        "sensor_msgs/msg/Image", header=MESSAGES.make("std_msgs/msg/Header"), height=1, width=2, encoding="mono16",
        step=4, data=values.reshape(-1).view(np.uint8),
    )  # fmt: skip


def brightness(reader: FrameReader, message: Any) -> int:
    return int(reader.read(message).image[0, 1, 0])


def test_a_10_bit_camera_is_seen_and_said_once() -> None:
    said: list[str] = []
    reader = FrameReader(InputSettings(), said.append)
    assert brightness(reader, mono16(1000)) == 250
    assert brightness(reader, mono16(500)) == 125  # a darker picture is not made brighter
    assert len(said) == 1
    assert "10 bits" in said[0]
    assert "mono16_bits" in said[0]
    assert brightness(reader, mono16(4000)) == 250
    assert "12 bits" in said[1]


def test_a_full_16_bit_camera_is_not_worth_a_word() -> None:
    said: list[str] = []
    assert brightness(FrameReader(InputSettings(), said.append), mono16(64000)) == 250
    assert not said


def test_the_parameter_sets_the_bits() -> None:
    reader = FrameReader(InputSettings(mono16_bits=12), pytest.fail)
    assert brightness(reader, mono16(1000)) == 62
    assert brightness(reader, mono16(64000)) == 255


def test_a_driver_that_labels_wrongly_is_overruled() -> None:
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 2] = 255  # BGR, as OpenCV wants it: the file is red
    message = MESSAGES.make(
        "sensor_msgs/msg/CompressedImage", header=MESSAGES.make("std_msgs/msg/Header"),
        format="rgb8; jpeg compressed rgb8", data=cv2.imencode(".png", red)[1].reshape(-1),
    )  # fmt: skip
    assert FrameReader(InputSettings(), pytest.fail).read(message).image[4, 4].tolist() == [0, 0, 255]
    as_stored = InputSettings(compressed_colors="as_stored")
    assert FrameReader(as_stored, pytest.fail).read(message).image[4, 4].tolist() == [255, 0, 0]
