"""Whatever a stranger sends is read, or refused with a sentence; nothing else is raised."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bodyseg_ros.errors import FrameError, GraphError
from bodyseg_ros.ros.graph.image_messages import ENCODINGS, read_compressed, read_depth, read_image
from bodyseg_ros.ros.graph.rosbag_types import RosbagMessages

MESSAGES = RosbagMessages()
UINT32 = st.integers(0, 2**32 - 1)
SMALL = st.integers(0, 20)
TEXT = st.text(max_size=200)
BYTES = st.binary(max_size=3000)


def refusal(error: type[Exception], read: Callable[..., Any], *arguments: Any) -> str:
    """The sentence that refuses; '' if there is none. Any other exception fails the test."""
    try:
        read(*arguments)
    except error as err:
        return str(err)
    return ""


def header(frame_id: str) -> Any:
    return MESSAGES.make("std_msgs/msg/Header", frame_id=frame_id)


@given(
    encoding=st.sampled_from([*ENCODINGS, "32FC1"]) | TEXT,
    size=st.tuples(SMALL | UINT32, SMALL | UINT32),
    step=SMALL | UINT32,
    big=st.integers(0, 255),
    frame_id=TEXT,
    data=BYTES,
)
@settings(max_examples=400, deadline=None)
def test_any_image(encoding: str, size: tuple[int, int], step: int, big: int, frame_id: str, data: bytes) -> None:
    message = MESSAGES.make(
        "sensor_msgs/msg/Image", header=header(frame_id), height=size[0], width=size[1], encoding=encoding, step=step,
        is_bigendian=big, data=np.frombuffer(data, np.uint8),
    )  # fmt: skip
    assert len(refusal(FrameError, read_depth, message)) < 1000
    said = refusal(FrameError, read_image, message)
    assert len(said) < 1000
    if not said:
        assert read_image(message).size == size


@given(image_format=TEXT, start=st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"]), data=BYTES)
@settings(max_examples=200, deadline=None)
def test_any_compressed_image(image_format: str, start: bytes, data: bytes) -> None:
    message = MESSAGES.make(
        "sensor_msgs/msg/CompressedImage", header=header(""), format=image_format,
        data=np.frombuffer(start + data, np.uint8),
    )  # fmt: skip
    assert len(refusal(FrameError, read_compressed, message)) < 1000


@given(
    type_name=st.sampled_from(
        [
            "sensor_msgs/msg/Image",
            "sensor_msgs/msg/CameraInfo",
            "std_msgs/msg/Header",
            "bodyseg_ros/msg/PersonPoseArray",
        ]
    ),
    data=BYTES,
)
@settings(max_examples=300, deadline=None)
def test_any_bytes(type_name: str, data: bytes) -> None:
    for cdr in (data, b"\x00\x01\x00\x00" + data):
        said = refusal(GraphError, MESSAGES.deserialize, cdr, type_name)
        assert not said or type_name in said
