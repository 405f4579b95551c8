"""A room of planes and people of known shape, as a camera, a depth camera, a lidar and a scanner see it.

World: x ahead, y left, z up, m. Rays are cast at surfaces with a formula, so it is known of each point whose it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bodyseg_ros.space import Pinhole, Rigid

#: From a camera's optical axes (x right, y down, z ahead) to the world's.
OPTICAL = (-0.5, 0.5, -0.5, 0.5)
LEVEL = (0.0, 0.0, 0.0, 1.0)
#: Ellipsoids of a person who stands at the origin: center and half axes; one arm points ahead.
BODY = (
    ((0, 0, 1.2), (0.16, 0.25, 0.45)),
    ((0, 0, 1.65), (0.11, 0.09, 0.13)),
    ((0, 0.12, 0.45), (0.09, 0.09, 0.47)),
    ((0, -0.12, 0.45), (0.09, 0.09, 0.47)),
    ((-0.3, 0.24, 1.3), (0.3, 0.06, 0.06)),
)
#: Point on a plane, and its normal.
ROOM = (
    ((0, 0, 0), (0, 0, 1)),
    ((0, 0, 3), (0, 0, 1)),
    ((7, 0, 0), (1, 0, 0)),
    ((-4, 0, 0), (1, 0, 0)),
    ((0, 5, 0), (0, 1, 0)),
    ((0, -5, 0), (0, 1, 0)),
)


@dataclass
class Seen:
    """What a sensor measured: (N, 3) float32 points in its frame, and (N,) whether each is a person's."""

    points: np.ndarray
    person: np.ndarray


@dataclass
class Scene:
    """people: where they stand, x and y; the second one stands partly behind the first."""

    people: tuple[tuple[float, float], ...] = ((2.7, 0.3), (4.5, 0.75), (3.6, -0.9))
    camera_at: Rigid = field(default_factory=lambda: Rigid.of(OPTICAL, (0.0, 0.0, 1.0)))
    camera: Pinhole = field(default_factory=lambda: Pinhole((480, 640), (525.0, 525.0), (319.5, 239.5)))

    def cast(self, pose: Rigid, rays: np.ndarray) -> Seen:
        """Along (N, 3) rays of a sensor that stands at `pose`."""
        way, start = rays @ pose.rotation.T, pose.translation
        nearest = np.full(len(rays), np.inf)
        with np.errstate(divide="ignore", invalid="ignore"):
            for point, normal in ROOM:
                far = (np.subtract(point, start) @ normal) / (way @ normal)
                nearest = np.where(far > 1e-6, np.minimum(nearest, far), nearest)
            person = np.zeros(len(rays), bool)
            for x, y in self.people:
                for center, axes in BODY:
                    offset, scaled = (start - center - (x, y, 0)) / axes, way / axes
                    a, b, c = (scaled**2).sum(1), scaled @ offset, offset @ offset - 1
                    far = (-b - np.sqrt(b * b - a * c)) / a
                    hit = (far > 0) & (far < nearest)
                    nearest, person = np.where(hit, far, nearest), person | hit
        return Seen((rays * nearest[:, None]).astype(np.float32), person)

    def mask(self) -> np.ndarray:
        """(H, W) uint8, as the camera sees people."""
        return self.cast(self.camera_at, pixel_rays(self.camera)).person.reshape(self.camera.size).astype(np.uint8)

    def in_picture(self, points: np.ndarray) -> np.ndarray:
        """(N,) whether points of the camera's frame lie in its picture."""
        x, y, index = self.camera.project(points)
        height, width = self.camera.size
        inside = np.zeros(len(points), bool)
        inside[index] = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        return inside


def pixel_rays(camera: Pinhole) -> np.ndarray:
    """(H·W, 3), of a camera without distortion, 1 long along the axis."""
    row, column = np.mgrid[: camera.size[0], : camera.size[1]]
    (fx, fy), (cx, cy) = camera.focal, camera.center
    return np.stack([(column - cx) / fx, (row - cy) / fy, np.ones(row.shape)], -1).reshape(-1, 3)


def lidar_rays(rings: int = 64, columns: int = 940, low: float = -25.0, high: float = 15.0) -> np.ndarray:
    """(rings·columns, 3), all around; low and high: degrees."""
    up, turn = np.meshgrid(
        np.deg2rad(np.linspace(low, high, rings)), np.linspace(-np.pi, np.pi, columns, endpoint=False), indexing="ij"
    )
    rays = np.stack([np.cos(up) * np.cos(turn), np.cos(up) * np.sin(turn), np.sin(up)], -1)
    return rays.reshape(-1, 3)


def scan_rays(beams: int = 1080, first: float = -2.36, step: float = 0.00437) -> np.ndarray:
    """(beams, 3), in one plane."""
    turn = first + step * np.arange(beams)
    return np.stack([np.cos(turn), np.sin(turn), np.zeros(beams)], -1)


#: Where the other sensors stand.
LIDAR_AT = Rigid.of(LEVEL, (-0.15, 0.1, 1.35))
DEPTH_AT = Rigid.of(OPTICAL, (0.0, 0.05, 1.0))
SCANNER_AT = Rigid.of(LEVEL, (0.15, 0.0, 0.25))


def cloud_message(messages: Any, header: Any, points: np.ndarray, rows: int = 1) -> Any:
    """A sensor_msgs/PointCloud2 with x, y, z and intensity, 16 bytes a point."""
    values = np.column_stack((points, np.arange(len(points)))).astype("<f4")
    fields = [
        messages.make("sensor_msgs/msg/PointField", name=name, offset=4 * place, datatype=7, count=1)
        for place, name in enumerate(("x", "y", "z", "intensity"))
    ]
    return messages.make(
        "sensor_msgs/msg/PointCloud2",
        header=header,
        height=rows,
        width=len(points) // rows,
        fields=fields,
        point_step=16,
        row_step=16 * (len(points) // rows),
        data=messages.pack(values.view(np.uint8)),
        is_dense=True,
    )


def scan_message(messages: Any, header: Any, points: np.ndarray) -> Any:
    """A sensor_msgs/LaserScan of what scan_rays() meets."""
    return messages.make(
        "sensor_msgs/msg/LaserScan",
        header=header,
        angle_min=-2.36,
        angle_max=-2.36 + 0.00437 * (len(points) - 1),
        angle_increment=0.00437,
        range_min=0.05,
        range_max=30.0,
        ranges=messages.pack(np.linalg.norm(points, axis=1).astype(np.float32)),
    )
