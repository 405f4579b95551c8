"""Depth without people: whose pixels go, and which depth image is paired with which mask."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bodyseg_ros.refine import shift_edge
from bodyseg_ros.ros.graph.image_messages import image_message, read_depth, read_image

from .conftest import Rig, header_of

Rigs = Callable[..., Rig]
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
OUT = "/bodyseg/depth_without_people"


def depth_message(rig: Rig, depth: np.ndarray, stamp_ns: int = 7, frame_id: str = "camera") -> Any:
    encoding = "16UC1" if depth.dtype == np.uint16 else "32FC1"
    return image_message(rig.tester.messages, header_of(rig.tester.messages, stamp_ns, frame_id), depth, encoding)


def send_both(rig: Rig, depth: Any, size: tuple[int, int] = (120, 160), stamp_ns: int = 7) -> None:
    rig.send(rig.image(stamp_ns=stamp_ns, size=size))
    rig.send(depth, "/depth/image")


def info(rig: Rig, size: tuple[int, int], focal: float, center: tuple[float, float]) -> Any:
    k = np.array([focal, 0, center[0], 0, focal, center[1], 0, 0, 1])
    return rig.tester.messages.make(CAMERA_INFO, height=size[0], width=size[1], k=k)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_peoples_pixels_are_invalid_and_the_rest_is_as_it_came(rig: Rigs, dtype: type) -> None:
    node = rig("internal_resolution:=full", "removal_margin_px:=0")
    heard, masks = node.listen(OUT), node.listen("/bodyseg/mask")
    depth = np.random.default_rng(1).integers(500, 5000, (120, 160)).astype(dtype)
    send_both(node, depth_message(node, depth))
    node.wait(lambda: heard and masks)
    out, person = read_depth(heard[0]), read_image(masks[0]).image[..., 0] == 255
    assert (heard[0].header.stamp.nanosec, heard[0].encoding, out.dtype) == (
        7,
        "16UC1" if dtype is np.uint16 else "32FC1",
        dtype,
    )
    assert person.any()
    np.testing.assert_array_equal(out[~person], depth[~person])
    assert (out[person] == 0).all() if dtype is np.uint16 else np.isnan(out[person]).all()


def test_a_margin_lies_around_people_and_is_live(rig: Rigs) -> None:
    node = rig("internal_resolution:=full", "removal_margin_px:=0")
    heard = node.listen(OUT)
    depth = np.full((120, 160), 900, np.uint16)
    gone = []
    for stamp, margin in ((1, 0), (2, 5)):
        node.graph.set_parameters({"removal_margin_px": margin})
        send_both(node, depth_message(node, depth, stamp), stamp_ns=stamp)
        node.wait(lambda stamp=stamp: len(heard) == stamp)
        gone.append(read_depth(heard[-1]) == 0)
    assert gone[1][gone[0]].all()
    assert gone[1].sum() > gone[0].sum()


def test_depth_of_another_size_is_scaled_by_both_camera_infos(rig: Rigs) -> None:
    node = rig("internal_resolution:=full", "removal_margin_px:=0")
    heard, masks = node.listen(OUT), node.listen("/bodyseg/mask")
    node.send(info(node, (240, 320), 200.0, (160.0, 120.0)), "/camera_info", CAMERA_INFO)
    # Half the size, and it sees a wider field: 20 px of it on each side lie outside the color picture.
    node.send(info(node, (120, 200), 100.0, (100.0, 60.0)), "/depth/camera_info", CAMERA_INFO)
    send_both(node, depth_message(node, np.full((120, 200), 900, np.uint16)), size=(240, 320))
    node.wait(lambda: heard and masks)
    gone, person = read_depth(heard[0]) == 0, read_image(masks[0]).image[..., 0] == 255
    assert gone[:, :19].all() and gone[:, 181:].all(), "what color does not see may be people"
    # A depth pixel reads every second color pixel, and one pixel around it.
    np.testing.assert_array_equal(gone[:, 20:180], shift_edge(person.view(np.uint8), 1)[::2, ::2] > 0)


def test_mirrored_masks_lie_on_the_depth_all_the_same(rig: Rigs) -> None:
    outs = []
    for flip in ("true", "false"):
        node = rig("internal_resolution:=full", f"flip_horizontal:={flip}", "fake.people:=1")
        heard = node.listen(OUT)
        send_both(node, depth_message(node, np.full((120, 160), 900, np.uint16)))
        node.wait(lambda heard=heard: heard)
        outs.append(read_depth(heard[0]))
    np.testing.assert_array_equal(*outs)


@pytest.mark.parametrize(("slop", "stamps"), [("0.0", [20]), ("0.01", [20, 29_000_000])])
def test_stamps_are_equal_or_the_depth_is_younger_by_the_slop(rig: Rigs, slop: str, stamps: list[int]) -> None:
    node = rig(f"depth_slop:={slop}")
    heard = node.listen(OUT)
    pairs = ((20, 20), (20_000_000, 29_000_000), (60_000_000, 59_000_000), (90_000_000, 101_000_000))
    for count, (color, depth) in enumerate(pairs, start=1):
        send_both(node, depth_message(node, np.full((120, 160), 9, np.uint16), depth), stamp_ns=color)
        node.wait(lambda count=count: node.node.diagnostics.totals["frames_out"] == count)
    node.wait(lambda: len(heard) >= len(stamps))
    node.spin()
    assert [message.header.stamp.nanosec for message in heard] == stamps


@pytest.mark.parametrize(
    ("depth", "frame_id", "reason"),
    [
        (
            np.ones((60, 80), np.uint16),
            "camera",
            "the camera_info of both is needed; that of the color camera has not",
        ),
        (
            np.ones((120, 160), np.uint16),
            "depth",
            "of the frame 'depth', but the color image of 'camera'; take the depth",
        ),
    ],
)
def test_depth_that_cannot_be_laid_on_color_is_refused(
    rig: Rigs, depth: np.ndarray, frame_id: str, reason: str
) -> None:
    node = rig()
    heard = node.listen(OUT)
    send_both(node, depth_message(node, depth, frame_id=frame_id))
    node.wait(lambda: any(reason in text for text in node.warnings()))
    assert not heard


def test_depth_messages_are_read_as_rep_118_has_them(rig: Rigs) -> None:
    node = rig()
    message = depth_message(node, np.array([[1, 300]], np.uint16))
    swapped = np.array([[1, 300]], np.uint16).byteswap().view(np.uint8).reshape(-1)
    message.data, message.is_bigendian = swapped, int(sys.byteorder == "little")
    np.testing.assert_array_equal(read_depth(message), [[1, 300]])
    message.encoding = "mono8"
    with pytest.raises(
        ValueError, match="A depth image has the encoding 'mono8', which is not supported.*16UC1, 32FC1"
    ):
        read_depth(message)


@pytest.mark.parametrize("stamp", [0, 5])
def test_depth_without_a_stamp_of_its_own_is_not_published(rig: Rigs, stamp: int) -> None:
    node = rig()
    heard = node.listen(OUT)
    depth = np.full((120, 160), 900, np.uint16)
    for _ in range(3):
        node.send(depth_message(node, depth, stamp), "/depth/image")
    for count in (1, 2):
        node.send(node.image(stamp_ns=stamp))
        node.wait(lambda count=count: node.node.diagnostics.totals["frames_out"] == count)
    send_both(node, depth_message(node, depth, 9), stamp_ns=9)
    node.wait(lambda: heard)
    assert [message.header.stamp.nanosec for message in heard] == [9]
    assert node.node.diagnostics.totals["bad_frames"] == (5 if stamp == 0 else 3)
