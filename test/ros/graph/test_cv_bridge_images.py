"""Encodings left to cv_bridge: with a stand-in anywhere, with the real one where ROS has it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bodyseg_ros.errors import FrameError
from bodyseg_ros.ros.graph import cv_bridge_images
from bodyseg_ros.ros.graph.cv_bridge_images import BRIDGED
from bodyseg_ros.ros.graph.image_messages import ENCODINGS, check_picture, read_image
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
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv_bridge_images, "_problem", lambda: "")
    monkeypatch.setattr(cv_bridge_images, "_bridge", _StandIn)


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Puts a package cv_bridge in front, whose C++ module has this text."""

    def put(module: str) -> None:
        (tmp_path / "cv_bridge/boost").mkdir(parents=True)
        (tmp_path / "cv_bridge/__init__.py").touch()
        (tmp_path / "cv_bridge/boost/__init__.py").touch()
        (tmp_path / "cv_bridge/boost/cv_bridge_boost.py").write_text(module)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        monkeypatch.delitem(sys.modules, "cv_bridge", raising=False)

    cv_bridge_images._problem.cache_clear()
    yield put
    cv_bridge_images._problem.cache_clear()


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


@pytest.mark.usefixtures("found")
def test_without_cv_bridge_the_image_is_refused_on_arrival(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv_bridge_images, "find_spec", lambda name: None)
    with pytest.raises(FrameError, match=r"'rgb16', which is read by.*cv_bridge.*not installed: install it.*rclpy"):
        check_picture(flat("rgb16"), 10_000)


def test_a_cv_bridge_that_would_crash_is_not_called(found: Callable[[str], None]) -> None:
    found("import os, signal\ndef cvtColor2(*_): os.kill(os.getpid(), signal.SIGSEGV)\n")
    with pytest.raises(FrameError, match=r"that crashes \(signal 11\) beside NumPy [0-9.]+: .*pip install 'numpy<2'"):
        check_picture(flat("rgb16"), 10_000)


def test_a_cv_bridge_that_fails_says_why(found: Callable[[str], None]) -> None:
    found("raise ImportError('libopencv_core.so.406: no such file')\n")
    with pytest.raises(FrameError, match=r"that fails \(ImportError: libopencv_core.so.406: no such file\)"):
        check_picture(flat("rgb16"), 10_000)


@pytest.mark.parametrize("encoding", BRIDGED)
def test_the_real_cv_bridge(encoding: str) -> None:
    pytest.importorskip("cv_bridge.boost.cv_bridge_boost", reason="cv_bridge comes with ROS", exc_type=ImportError)
    frame = read_image(flat(encoding, pad=6))
    assert np.abs(frame.image[2:-2, 2:-2].astype(int) - COLOR).max() <= 1


#: Those that Jazzy's cv_bridge converts too, and by how much the pixels may differ: 16 bits become 8 by dividing by
#: 256 here, by 257 there.
OWN = {
    name: int(name == "mono16")
    for name in ENCODINGS
    if name[0].isalpha() and name not in ("uyvy", "yuyv", "nv12", "nv21")
}


@pytest.mark.parametrize("encoding", OWN)
def test_our_own_conversions_give_the_pixels_of_the_real_cv_bridge(encoding: str) -> None:
    pytest.importorskip("cv_bridge.boost.cv_bridge_boost", reason="cv_bridge comes with ROS", exc_type=ImportError)
    from cv_bridge import CvBridge

    layout = ENCODINGS[encoding]
    noise = np.random.default_rng(3).random((int(48 * layout.height_factor), 64 * layout.channels))
    rows = (noise * np.iinfo(layout.dtype).max).astype(layout.dtype)
    message = MESSAGES.make(
        "sensor_msgs/msg/Image", header=MESSAGES.make("std_msgs/msg/Header"), height=48, width=64, encoding=encoding,
        is_bigendian=int(sys.byteorder == "big"), step=rows.strides[0], data=MESSAGES.pack(rows).view(np.uint8),
    )  # fmt: skip
    theirs = CvBridge().imgmsg_to_cv2(message, "rgb8")
    assert np.abs(theirs.astype(int) - read_image(message).image).max() <= OWN[encoding]
