"""Encodings left to cv_bridge: with a stand-in anywhere, with the real one where ROS has it."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from bodyseg_ros.errors import FrameError
from bodyseg_ros.ros.graph import cv_bridge_images
from bodyseg_ros.ros.graph.cv_bridge_images import BRIDGED
from bodyseg_ros.ros.graph.image_messages import check_picture, read_image
from bodyseg_ros.ros.graph.rosbag_types import RosbagMessages

MESSAGES = RosbagMessages()
#: One flat color, so that color filters give it back.
COLOR = (200, 100, 50)


def flat(encoding: str, *, big: bool = False, pad: int = 0) -> Any:
    """A message of one flat color, 16×24, made from the encoding's description."""
    dtype, channels = BRIDGED[encoding]
    color = np.array([*COLOR, 255])
    if encoding.startswith("bayer"):
        pixels = np.zeros((16, 24, 1))
        for index, letter in enumerate(encoding.removeprefix("bayer_")[:4]):
            pixels[index // 2 :: 2, index % 2 :: 2, 0] = COLOR["rgb".index(letter)]
    else:
        order = [0, 1, 2, 3] if encoding.startswith("rgb") else [2, 1, 0, 3]
        pixels = np.broadcast_to(color[order[:channels]], (16, 24, channels))
    scale = {"u1": 1.0, "u2": 257.0, "f4": 1 / 255}[dtype]
    rows = (pixels.reshape(16, -1) * scale).astype((">" if big else "<") + dtype).view(np.uint8)
    rows = np.pad(rows, ((0, 0), (0, pad)), constant_values=99)
    return MESSAGES.make(
        "sensor_msgs/msg/Image", header=MESSAGES.make("std_msgs/msg/Header", frame_id="camera"), height=16, width=24,
        encoding=encoding, is_bigendian=int(big), step=rows.shape[1], data=MESSAGES.pack(rows),
    )  # fmt: skip


class _StandIn:
    """CvBridge as far as it is asked here: it trusts step and byte order, as the real one does beside NumPy 2."""

    def imgmsg_to_cv2(self, message: Any, desired_encoding: str) -> np.ndarray:
        dtype, channels = np.dtype(BRIDGED[message.encoding][0]), BRIDGED[message.encoding][1]
        assert message.step == message.width * channels * dtype.itemsize
        assert message.is_bigendian == (sys.byteorder == "big")
        assert len(message.data) == message.height * message.step
        pixels = np.frombuffer(message.data, dtype).reshape(message.height, message.width, channels)
        if desired_encoding == "passthrough":
            return pixels
        assert desired_encoding == "rgb8"
        if message.encoding.startswith("bayer"):
            raise RuntimeError("no filter in the stand-in")
        rgb = pixels[..., 2::-1] if message.encoding.startswith("bgr") else pixels[..., :3]
        return (rgb / 257).round().astype(np.uint8)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Any:
    package, boost = ModuleType("cv_bridge"), ModuleType("cv_bridge.boost")
    package.CvBridge, boost.cv_bridge_boost = _StandIn, None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cv_bridge", package)
    monkeypatch.setitem(sys.modules, "cv_bridge.boost", boost)
    cv_bridge_images._bridge.cache_clear()
    yield
    cv_bridge_images._bridge.cache_clear()


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("encoding", [name for name in BRIDGED if not name.startswith("bayer")])
def test_colors_whatever_the_padding_and_byte_order(encoding: str, big: bool) -> None:
    frame = read_image(flat(encoding, big=big, pad=6))
    assert frame.image.shape == (16, 24, 3)
    assert (frame.image == COLOR).all()


@pytest.mark.usefixtures("stand_in")
def test_floats_above_one_are_0_to_255_and_none_is_no_number() -> None:
    message = flat("32FC3")
    values = message.data.view(np.float32)
    values *= 255
    values[:3] = np.nan, 300.0, -5.0
    assert read_image(message).image[0, 0].tolist() == [0, 255, 0]
    assert read_image(message).image[0, 1].tolist() == [*COLOR]


@pytest.mark.usefixtures("stand_in")
def test_what_cv_bridge_refuses_is_a_bad_frame() -> None:
    with pytest.raises(FrameError, match="'bayer_rggb16': no filter"):
        read_image(flat("bayer_rggb16"))


def test_without_cv_bridge_the_image_is_refused_on_arrival(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv_bridge", None)
    cv_bridge_images._bridge.cache_clear()
    with pytest.raises(FrameError, match=r"'rgb16', which is read by cv_bridge.*cannot be imported.*install.*rclpy"):
        check_picture(flat("rgb16"), 10_000)
    cv_bridge_images._bridge.cache_clear()


@pytest.mark.parametrize("encoding", BRIDGED)
def test_the_real_cv_bridge(encoding: str) -> None:
    pytest.importorskip("cv_bridge.boost.cv_bridge_boost", reason="cv_bridge comes with ROS", exc_type=ImportError)
    frame = read_image(flat(encoding, pad=6))
    assert np.abs(frame.image[2:-2, 2:-2].astype(int) - COLOR).max() <= 1
