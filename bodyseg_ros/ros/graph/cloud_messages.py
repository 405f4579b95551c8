"""Convert clouds and scans to points and back, on every runtime: messages are accessed by attribute only.

Clouds may have any layout of sensor_msgs/PointCloud2 whose x, y and z are floating-point.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...errors import FrameError
from ...types import MAX_PIXELS
from .headers import shorten
from .port import Messages

__all__ = ["PointsIn", "ScanIn", "read_points", "read_scan"]

_CLOUD: Final = "sensor_msgs/msg/PointCloud2"
_SCAN: Final = "sensor_msgs/msg/LaserScan"
#: PointField type numbers that a coordinate may have.
_FLOATS: Final = {7: "f4", 8: "f8"}
#: No known scanner has more beams per turn.
_MOST_BEAMS: Final = 1_000_000


@dataclass(frozen=True)
class PointsIn:
    """A cloud as read.

    points: (N, 3) float32, m, row by row; NaN where nothing was measured.
    """

    message: Any
    points: NDArray[np.float32]
    _layout: np.dtype[Any]

    def only(self, messages: Messages, kept: NDArray[np.bool_]) -> Any:
        """Return the cloud with the points for which (N,) `kept` is true; header and fields are unchanged.

        An organized cloud (several rows) keeps its size, and x, y and z of removed points become NaN. From an
        unorganized cloud removed points are left out.
        """
        message = self.message
        height, width = int(message.height), int(message.width)
        size = {"height": height, "width": width, "row_step": int(message.row_step), "is_dense": message.is_dense}
        if height > 1:
            data = np.frombuffer(message.data, np.uint8).copy()
            cells = np.ndarray((height, width), self._layout, data, 0, (int(message.row_step), self._layout.itemsize))
            gone = ~kept.reshape(height, width)
            for name in "xyz":
                cells[name][gone] = np.nan
            size["is_dense"] = bool(message.is_dense) and not gone.any()
        else:
            whole = np.frombuffer(message.data, np.dtype((np.void, self._layout.itemsize)), width)
            data = whole[kept[:width]].view(np.uint8)
            count = int(np.count_nonzero(kept))
            size |= {"width": count, "row_step": count * self._layout.itemsize}
        return messages.make(
            _CLOUD,
            header=message.header,
            fields=message.fields,
            is_bigendian=message.is_bigendian,
            point_step=message.point_step,
            data=messages.pack(data),
            **size,
        )


def read_points(message: Any) -> PointsIn:
    """Read a sensor_msgs/PointCloud2.

    Raises FrameError, before allocating memory, for a contradictory layout, too little data, more than 100 million
    points, and missing or non-float coordinates.
    """
    height, width = int(message.height), int(message.width)
    step, row_step = int(message.point_step), int(message.row_step)
    if height * width > MAX_PIXELS:
        raise FrameError(f"A cloud has {height}×{width} points; at most {MAX_PIXELS} are read.")
    layout = _layout(message, step)
    if not height * width:
        return PointsIn(message, np.zeros((0, 3), np.float32), layout)
    if height > 1 and row_step < width * step:
        raise FrameError(
            f"A cloud of {width} points in a row has a row_step of {row_step} bytes, but a row takes {width * step}."
        )
    have, need = memoryview(message.data).nbytes, (height - 1) * row_step + width * step
    if have < need:
        raise FrameError(f"A cloud of {height}×{width} points needs {need} bytes of data, but has {have}.")
    cells = np.ndarray((height, width), layout, memoryview(message.data), 0, (row_step, step))
    points = np.empty((height, width, 3), np.float32)
    with np.errstate(over="ignore"):  # float64 beyond float32 becomes infinite, which counts as no point
        for axis, name in enumerate("xyz"):
            points[..., axis] = cells[name]
    return PointsIn(message, points.reshape(-1, 3), layout)


def _layout(message: Any, step: int) -> np.dtype[Any]:
    """Find the offsets of x, y and z in a point."""
    if not 0 < step <= 65536:
        raise FrameError(f"A cloud has a point_step of {step} bytes; allowed are 1 to 65536.")
    order = ">" if message.is_bigendian else "<"
    fields = {str(field.name): field for field in message.fields}
    formats, offsets = [], []
    for name in "xyz":
        field = fields.get(name)
        kind = _FLOATS.get(int(field.datatype)) if field is not None else None
        if field is None or kind is None:
            have = shorten(", ".join(fields)) or "none"
            raise FrameError(
                f"A cloud has no field {name!r} of type FLOAT32 or FLOAT64, so it is not known where its points are; "
                f"its fields are {have}."
            )
        formats.append(order + kind)
        offsets.append(int(field.offset))
        if offsets[-1] + int(kind[1]) > step:
            raise FrameError(f"A cloud's field {name!r} begins at byte {offsets[-1]} of points of {step} bytes.")
    return np.dtype({"names": list("xyz"), "formats": formats, "offsets": offsets, "itemsize": step})


@dataclass(frozen=True)
class ScanIn:
    """A scan as read.

    points: (N, 3) float32, m, one per beam; NaN where the beam hit nothing.
    """

    message: Any
    points: NDArray[np.float32]

    def only(self, messages: Messages, kept: NDArray[np.bool_]) -> Any:
        """Return the scan with the ranges for which (N,) `kept` is true; the others become NaN."""
        message = self.message
        ranges = np.where(kept, np.asarray(message.ranges, np.float32), np.float32(np.nan))
        names = ("angle_min", "angle_max", "angle_increment", "time_increment", "scan_time", "range_min", "range_max")
        return messages.make(
            _SCAN,
            header=message.header,
            ranges=messages.pack(ranges),
            intensities=message.intensities,
            **{name: getattr(message, name) for name in names},
        )


def read_scan(message: Any) -> ScanIn:
    """Read a sensor_msgs/LaserScan; ranges outside range_min and range_max hit nothing.

    Raises FrameError for non-finite angles and too many beams.
    """
    ranges = np.asarray(message.ranges, np.float32)
    if ranges.size > _MOST_BEAMS:
        raise FrameError(f"A scan has {ranges.size} beams; at most {_MOST_BEAMS} are read.")
    start, step = float(message.angle_min), float(message.angle_increment)
    if not np.isfinite((start, step)).all():
        raise FrameError(f"A scan begins at the angle {start} and goes on by {step}; both must be finite.")
    hit = (ranges >= message.range_min) & (ranges <= message.range_max)
    far = np.where(hit, ranges, np.float32(np.nan))
    angles = start + step * np.arange(ranges.size)
    flat = np.zeros(ranges.size, np.float32)
    return ScanIn(message, np.column_stack((far * np.cos(angles), far * np.sin(angles), flat)).astype(np.float32))
