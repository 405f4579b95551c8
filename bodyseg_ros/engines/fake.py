"""An engine without a network, for tests and demonstrations: draws people with known keypoints."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..body import KEYPOINT_NAMES, PART_NAMES, POSE_TREE
from ..errors import EngineError
from ..formats import FORMATS
from ..settings import Settings, start_only
from .engine import Engine

__all__ = ["FakeEngine", "FakeSettings", "fake_keypoints"]

#: (x, y) of each keypoint of a person facing the camera, in a box of height 1 and width 1/2.
_BODY: Final = np.array([
    (0.50, 0.14), (0.54, 0.11), (0.46, 0.11), (0.59, 0.13), (0.41, 0.13),  # nose, eyes, ears
    (0.72, 0.27), (0.28, 0.27), (0.82, 0.41), (0.18, 0.41), (0.90, 0.53), (0.10, 0.53),  # shoulders, elbows, wrists
    (0.63, 0.54), (0.37, 0.54), (0.66, 0.74), (0.34, 0.74), (0.67, 0.92), (0.33, 0.92),  # hips, knees, ankles
])  # fmt: skip
#: Part, the keypoint groups it connects, and its radius as a share of the person's height.
_LIMBS: Final = (
    ("left_face", (1, 3), (0, 3), 0.06),
    ("right_face", (2, 4), (0, 4), 0.06),
    ("left_upper_arm_front", (5,), (7,), 0.04),
    ("right_upper_arm_front", (6,), (8,), 0.04),
    ("left_lower_arm_front", (7,), (9,), 0.035),
    ("right_lower_arm_front", (8,), (10,), 0.035),
    ("left_hand", (9,), (9,), 0.045),
    ("right_hand", (10,), (10,), 0.045),
    ("torso_front", (5, 6), (11, 12), 0.12),
    ("left_upper_leg_front", (11,), (13,), 0.06),
    ("right_upper_leg_front", (12,), (14,), 0.06),
    ("left_lower_leg_front", (13,), (15,), 0.045),
    ("right_lower_leg_front", (14,), (16,), 0.045),
    ("left_foot", (15,), (15,), 0.055),
    ("right_foot", (16,), (16,), 0.055),
)
#: Logits: nothing there; the keypoints of the first person, and how much less each next person's are.
_NOTHING, _SURE, _LESS = -12.0, 6.0, 0.05
#: Least radius of the thinnest limb, cells; all limbs grow together.
_LEAST_REACH: Final = 0.5
Array = NDArray[np.float64]


class FakeSettings(Settings):
    """What the fake engine shows, and how it misbehaves."""

    people: int = start_only(1, "Number of people in the output.", ge=0, le=30)
    delay_ms: float = start_only(0.0, "Minimum duration of a run, ms.", ge=0.0, le=60_000.0)
    fail_every: int = start_only(0, "Every Nth run fails; 0: never.", ge=0, le=1_000_000)


def fake_keypoints(people: int, height: int, width: int) -> Array:
    """Keypoints of the fake people: (people, 17, 2) float64, x and y in network px, best person first.

    The input is divided into cells such that people are tallest. One person is centered in each cell, row by row, in
    the largest box of height h and width h/2; keypoint k is at `_BODY[k]` of the box.
    """
    grids = [(columns, math.ceil(people / columns)) for columns in range(1, people + 1)] or [(1, 1)]
    columns, rows = max(grids, key=lambda grid: min(2 * width / grid[0], height / grid[1]))
    cell = np.array([width / columns, height / rows])
    box = min(2 * cell[0], cell[1]) * np.array([0.5, 1.0])
    places = np.array([(index % columns, index // columns) for index in range(people)]).reshape(people, 1, 2)
    return np.asarray((places + 0.5) * cell - box / 2 + _BODY * box)


class FakeEngine(Engine):
    """Draws `people` people into the heads of BodyPix, on the grid of `source.output_stride`; needs no file.

    Decoding returns `fake_keypoints` if people are three cells apart and `nms_radius` is smaller.
    """

    api_version = 1
    Settings = FakeSettings
    formats = FORMATS
    by_name_only = True
    settings: FakeSettings

    @property
    def device(self) -> str:
        """What it runs on."""
        return "no device: drawn people"

    def load(self) -> None:
        """There is nothing to read."""
        self._runs = 0

    def infer(self, tensor: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """(1, h, w, c) in, (1, rows, columns, channels) float32 heads out; only those in `source.outputs`, if any.

        Raises EngineError at every `fail_every`-th run, or if the tensor is not an image.
        """
        if tensor.ndim != 4 or 0 in tensor.shape:
            raise EngineError(f"The network takes an array of 1×any×any×3, but it was given {tensor.shape}.")
        self._runs += 1
        time.sleep(self.settings.delay_ms / 1000)
        if self.settings.fail_every and self._runs % self.settings.fail_every == 0:
            raise EngineError(f"The fake engine fails at run {self._runs}, as fake.fail_every asks.")
        heads = _drawn(self.settings.people, tensor.shape[1], tensor.shape[2], self.source.output_stride)
        wanted = self.source.outputs or heads
        return {name: array[None].astype(np.float32) for name, array in heads.items() if name in wanted}


@lru_cache(maxsize=8)
def _drawn(people: int, height: int, width: int, stride: int) -> dict[str, Array]:
    """Heads (rows, columns, channels) by name."""
    rows, columns = (height - 1) // stride + 1, (width - 1) // stride + 1
    # (rows, columns, 2): x, y of each cell, network px.
    grid = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).astype(np.float64) * stride
    points = fake_keypoints(people, height, width)
    joints, edges = len(KEYPOINT_NAMES), np.array(POSE_TREE)
    channels = {"segments": 1, "part_heatmaps": len(PART_NAMES), "heatmaps": joints, "short_offsets": 2 * joints}
    channels |= {"long_offsets": 2 * joints, "displacement_fwd": edges.size, "displacement_bwd": edges.size}
    heads = {name: np.full((rows, columns, count), _NOTHING) for name, count in channels.items()}
    if not people:
        return heads
    limbs = np.stack([_limbs(body, grid, stride) for body in points])  # (people, rows, columns, parts)
    heads["part_heatmaps"] = limbs.max(axis=0)
    heads["segments"] = heads["part_heatmaps"].max(axis=-1, keepdims=True)
    away = ((points[:, None, None] - grid[:, :, None]) ** 2).sum(axis=-1)  # (people, rows, columns, joints)
    nearest = away.argmin(axis=0)  # (rows, columns, joints): person of the keypoint near a cell
    for person, body in enumerate(points):
        for joint, (column, row) in enumerate(np.floor(body / stride + 0.5).astype(int)):
            heads["heatmaps"][min(row, rows - 1), min(column, columns - 1), joint] = _SURE - _LESS * person
    everyone = np.arange(joints)
    heads["short_offsets"] = _channels(points[nearest, everyone] - grid[:, :, None])
    heads["long_offsets"] = _channels(points[limbs.max(axis=-1).argmax(axis=0)] - grid[:, :, None])
    for name, (start, end) in {"displacement_fwd": edges.T, "displacement_bwd": edges.T[::-1]}.items():
        owner = nearest[:, :, start]
        heads[name] = _channels(points[owner, end] - points[owner, start])
    return heads


def _channels(vectors: Array) -> Array:
    """(rows, columns, n, 2) x, y → (rows, columns, 2n): all y, then all x."""
    return np.concatenate([vectors[..., 1], vectors[..., 0]], axis=-1)


def _limbs(body: Array, grid: NDArray[Any], stride: int) -> Array:
    """Part logits of one person, (rows, columns, 24): 0 on a limb's outline, more inside, less outside.

    Every limb is at least a cell wide, or it would fall between the cells.
    """
    tall = (body[:, 1].max() - body[:, 1].min()) / (_BODY[:, 1].max() - _BODY[:, 1].min())
    thick = max(tall, stride * _LEAST_REACH / min(radius for *_, radius in _LIMBS))
    logits = np.full((*grid.shape[:2], len(PART_NAMES)), -np.inf)
    for part, start, end, radius in _LIMBS:
        first, along = body[list(start)].mean(axis=0), body[list(end)].mean(axis=0) - body[list(start)].mean(axis=0)
        share = np.clip(((grid - first) @ along) / max(along @ along, 1e-9), 0, 1)
        distance = np.hypot(*np.moveaxis(grid - first - share[..., None] * along, -1, 0))
        logits[..., PART_NAMES.index(part)] = 8 * (radius - distance / thick) / radius
    return np.clip(logits, _NOTHING, -_NOTHING)
