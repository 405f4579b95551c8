"""Validated decoder inputs, so that later arithmetic cannot overflow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .body import KEYPOINT_NAMES, POSE_TREE
from .errors import EngineError
from .geometry import Geometry

__all__ = ["LongOffsets", "PoseHeads", "PoseLimits", "check_offsets"]

#: Larger offsets come from a broken file or overflow.
MAX_OFFSET_PX: Final = 1_000_000


def check_offsets(name: str, head: NDArray[np.float32]) -> None:
    """Raise EngineError, naming the head, unless all of its offsets are within 1,000,000 network px."""
    farthest = max(float(head.max(initial=0.0)), -float(head.min(initial=0.0)))  # NaN if there is one
    if not farthest <= MAX_OFFSET_PX:
        raise EngineError(
            f"The network's output {name!r} has an offset of {farthest:g} px, but at most {MAX_OFFSET_PX:,} px is "
            "plausible; the frame is unusable. Check the model file and the engine's precision."
        )


@dataclass(frozen=True)
class PoseHeads:
    """The heads for pose decoding, on one grid of `stride` network px.

    scores: (h, w, 17) float32, 0 to 1: heatmaps after the sigmoid. short_offsets: (h, w, 34) and displacement_fwd,
    displacement_bwd: (h, w, 32) float32 network px, y before x. Raises EngineError, naming the head, for another shape,
    NaN, or offsets beyond 1,000,000 px.
    """

    scores: NDArray[np.float32]
    short_offsets: NDArray[np.float32]
    displacement_fwd: NDArray[np.float32]
    displacement_bwd: NDArray[np.float32]
    stride: int

    def __post_init__(self) -> None:
        grid, joints = self.scores.shape[:2], len(KEYPOINT_NAMES)
        channels = (joints, 2 * joints, 2 * len(POSE_TREE), 2 * len(POSE_TREE))
        names = ("heatmaps", "short_offsets", "displacement_fwd", "displacement_bwd")
        for name, head, count in zip(names, self.arrays, channels, strict=True):
            _check_head(name, head, (*grid, count))
        if not np.isfinite(self.scores).all():
            raise EngineError("The network's output 'heatmaps' contains NaN or infinity; the frame is unusable.")
        for name, head in zip(names[1:], self.arrays[1:], strict=True):
            check_offsets(name, head)

    @property
    def arrays(self) -> tuple[NDArray[np.float32], ...]:
        """The four heads in the order of the fields."""
        return self.scores, self.short_offsets, self.displacement_fwd, self.displacement_bwd


@dataclass(frozen=True)
class PoseLimits:
    """Which poses are kept: at most `max_people`, best first, with roots that reach `score_threshold`.

    Two roots of the same keypoint within `nms_radius`, network px, are one person.
    """

    max_people: int
    score_threshold: float
    nms_radius: float


@dataclass(frozen=True)
class LongOffsets:
    """Long offsets: from each pixel to its person's keypoints, (h, w, 34) float32 network px on a grid of `stride`
    network px.

    y of keypoint k in channel k, x in k + 17. Raises EngineError for another shape, NaN, or offsets beyond 1,000,000
    px.
    """

    offsets: NDArray[np.float32]
    stride: int
    geometry: Geometry

    def __post_init__(self) -> None:
        _check_head("long_offsets", self.offsets, (*self.offsets.shape[:2], 2 * len(KEYPOINT_NAMES)))
        check_offsets("long_offsets", self.offsets)


def _check_head(name: str, head: NDArray[np.float32], expected: tuple[int, ...]) -> None:
    if head.shape != expected:
        raise EngineError(f"The network's output {name!r} is {head.shape}, but it must be {expected}.")
