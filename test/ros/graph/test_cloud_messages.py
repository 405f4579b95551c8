"""Clouds of every layout, and scans: what is read, what is left, what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bodyseg_ros.errors import FrameError
from bodyseg_ros.ros.graph.cloud_messages import read_points, read_scan
from bodyseg_ros.ros.graph.rosbag_types import RosbagMessages

MESSAGES = RosbagMessages()
CLOUD = "sensor_msgs/msg/PointCloud2"
#: PointField's number → NumPy's type.
KINDS = {1: "i1", 2: "u1", 4: "u2", 6: "u4", 7: "f4", 8: "f8"}
XYZ = (("x", 0, 7), ("y", 4, 7), ("z", 8, 7))
LAYOUTS = {
    "XYZ": (XYZ, 12),
    "XYZ with padding": (XYZ, 16),
    "XYZI": ((*XYZ, ("intensity", 16, 7)), 32),
    "XYZRGB": ((*XYZ, ("rgb", 16, 7)), 32),
    "a lidar's": ((*XYZ, ("intensity", 12, 7), ("ring", 16, 4), ("time", 18, 7)), 22),
    "any order, float64": ((("label", 0, 2), ("z", 1, 8), ("t", 9, 6), ("x", 13, 8), ("y", 21, 7)), 25),
}


def cloud(layout: str, *, big: bool, size: tuple[int, int], row_padding: int = 0) -> tuple[Any, np.ndarray]:
    """A message of random points, and its cells."""
    described, step = LAYOUTS[layout]
    order = ">" if big else "<"
    dtype = np.dtype(
        {
            "names": [name for name, _, _ in described],
            "formats": [order + KINDS[kind] for _, _, kind in described],
            "offsets": [offset for _, offset, _ in described],
            "itemsize": step,
        }
    )
    height, width = size
    row_step = width * step + row_padding
    data = np.random.default_rng(3).integers(0, 256, height * row_step, np.uint8)
    cells = np.ndarray(size, dtype, data, 0, (row_step, step))
    for place, name in enumerate("xyz"):
        cells[name] = np.arange(height * width).reshape(size) + place / 4
    fields = [
        MESSAGES.make("sensor_msgs/msg/PointField", name=name, offset=offset, datatype=kind, count=1)
        for name, offset, kind in described
    ]
    stamp = MESSAGES.make("builtin_interfaces/msg/Time", sec=3, nanosec=4)
    message = MESSAGES.make(
        CLOUD,
        header=MESSAGES.make("std_msgs/msg/Header", stamp=stamp, frame_id="lidar"),
        height=height,
        width=width,
        fields=fields,
        is_bigendian=big,
        point_step=step,
        row_step=row_step,
        data=data,
        is_dense=True,
    )
    return message, cells


def through_the_wire(message: Any) -> Any:
    return MESSAGES.deserialize(MESSAGES.serialize(message, CLOUD), CLOUD)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_organized_cloud_keeps_all_but_the_coordinates_of_people(layout: str, big: bool) -> None:
    message, cells = cloud(layout, big=big, size=(3, 5), row_padding=7)
    kept = np.arange(15) % 4 != 0
    read = read_points(through_the_wire(message))
    np.testing.assert_array_equal(read.points, np.stack([cells[name].ravel() for name in "xyz"], -1).astype("f4"))
    out = through_the_wire(read.only(MESSAGES, kept))
    data = np.array(out.data)
    new = np.ndarray((3, 5), cells.dtype, data, 0, (message.row_step, message.point_step))
    assert np.isnan(np.stack([new[name].ravel()[~kept] for name in "xyz"])).all()
    for name in "xyz":
        new[name][~kept.reshape(3, 5)] = cells[name][~kept.reshape(3, 5)]
    np.testing.assert_array_equal(data, message.data, err_msg="every other byte is as it came")
    assert (out.is_dense, out.height, out.width, out.row_step) == (False, 3, 5, message.row_step)
    assert (out.header, out.fields, out.is_bigendian) == (message.header, message.fields, message.is_bigendian)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_from_a_single_row_people_are_left_out(layout: str, big: bool) -> None:
    message, _ = cloud(layout, big=big, size=(1, 9), row_padding=3)
    kept = np.arange(9) % 3 != 0
    out = through_the_wire(read_points(through_the_wire(message)).only(MESSAGES, kept))
    step = message.point_step
    points = [bytes(message.data[index * step : (index + 1) * step]) for index in range(9) if kept[index]]
    assert bytes(out.data) == b"".join(points)
    assert (out.height, out.width, out.row_step, out.is_dense) == (1, 6, 6 * step, True)
    assert (out.header, out.fields, out.point_step) == (message.header, message.fields, step)


def test_nothing_goes_from_a_cloud_without_people() -> None:
    for size in ((2, 3), (1, 6)):
        message, _ = cloud("XYZI", big=False, size=size)
        same = read_points(message).only(MESSAGES, np.ones(6, bool))
        assert MESSAGES.serialize(same, CLOUD) == MESSAGES.serialize(message, CLOUD)
        assert not read_points(message).only(MESSAGES, np.zeros(6, bool)).is_dense or size[0] == 1


def test_an_empty_cloud_stays_one() -> None:
    message, _ = cloud("XYZ", big=False, size=(1, 0))
    read = read_points(message)
    assert read.points.shape == (0, 3)
    assert read.only(MESSAGES, np.zeros(0, bool)).width == 0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"point_step": 0}, "point_step of 0 bytes"),
        ({"point_step": 8}, "'z' begins at byte 8 of points of 8 bytes"),
        ({"row_step": 11}, "row_step of 11 bytes, but a row takes 60"),
        ({"data": np.zeros(100, np.uint8)}, "needs 120 bytes of data, but has 100"),
        ({"width": 2**31, "row_step": 2**32 - 1}, "at most 100000000 are read"),
        ({"fields": []}, "no field 'x' of type FLOAT32 or FLOAT64.*its fields are none"),
    ],
)
def test_what_contradicts_itself_is_refused(changes: dict[str, Any], reason: str) -> None:
    message, _ = cloud("XYZ", big=False, size=(2, 5))
    for name, value in changes.items():
        setattr(message, name, value)
    with pytest.raises(FrameError, match=reason):
        read_points(message)


def test_coordinates_that_are_whole_numbers_are_refused() -> None:
    message, _ = cloud("XYZ", big=False, size=(2, 5))
    message.fields[1].datatype = 5
    with pytest.raises(FrameError, match="no field 'y' of type FLOAT32"):
        read_points(message)


def scan(ranges: list[float], **fields: Any) -> Any:
    values = {"angle_min": 0.0, "angle_increment": np.pi / 2, "range_min": 0.1, "range_max": 10.0} | fields
    return MESSAGES.make("sensor_msgs/msg/LaserScan", ranges=np.array(ranges, np.float32), **values)


def test_beams_are_points_and_what_meets_nothing_is_none() -> None:
    points = read_scan(scan([1.0, 2.0, np.inf, 0.05, np.nan, 11.0])).points
    np.testing.assert_allclose(points[:2], [[1, 0, 0], [0, 2, 0]], atol=1e-6)
    assert np.isnan(points[2:, :2]).all()


def test_people_are_nan_in_a_scan_and_the_rest_is_as_it_came() -> None:
    message = scan([1.0, 2.0, np.inf, 3.0], intensities=np.arange(4, dtype=np.float32), scan_time=0.1)
    out = read_scan(message).only(MESSAGES, np.array([True, False, True, True]))
    np.testing.assert_array_equal(out.ranges, np.array([1, np.nan, np.inf, 3], np.float32))
    for name in ("header", "angle_min", "angle_max", "angle_increment", "scan_time", "range_min", "range_max"):
        assert getattr(out, name) == getattr(message, name)
    np.testing.assert_array_equal(out.intensities, message.intensities)


def test_a_scan_without_angles_is_refused() -> None:
    with pytest.raises(FrameError, match="angle nan"):
        read_scan(scan([1.0], angle_min=float("nan")))
