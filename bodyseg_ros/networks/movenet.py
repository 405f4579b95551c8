"""MoveNet: the poses of one person (lightning, thunder) or of up to six (multipose), without masks.

Source: tfjs-models ``pose-detection/src/movenet/detector.ts`` (pose-detection 2.1.3), without its smoothing and its
tracker.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import field_validator
from pydantic_core import PydanticCustomError

from ..body import KEYPOINT_NAMES
from ..catalog import Card
from ..errors import EngineError
from ..geometry import Geometry, round_half_up
from ..settings import live
from ..types import Frame, Poses, Prepared, Result, Wanted
from .movenet_crop import (
    LEAST_KEYPOINT_SCORE,
    CropMemory,
    Region,
    crop_positions,
    sample_bilinear,
    whole_region,
)
from .network import Network, NetworkSettings

__all__ = ["MoveNet", "MoveNetSettings"]

_JOINTS: Final = len(KEYPOINT_NAMES)
#: Values of a person in the output of multipose: y, x, score of each keypoint; top, left, bottom, right; score.
_PERSON_VALUES: Final = 3 * _JOINTS + 5
#: Multipose's input sides are multiples of this.
_GRID_PX: Final = 32


class MoveNetSettings(NetworkSettings):
    """The options of the reference."""

    score_threshold: float = live(0.25, "Minimum score of a person.", ge=0.0, le=1.0)
    crop: Literal["follow", "whole"] = live(
        "follow",
        "Input of the single-pose networks. follow: the middle square of the first frame, then the square around the "
        "person, as in the reference. whole: always the whole image, padded to a square; for photos.",
    )
    input_side: int = live(
        256,
        f"Long side of the multi-pose network's input, px; a multiple of {_GRID_PX}. Larger is finer and slower.",
        ge=_GRID_PX,
        le=2048,
    )

    @field_validator("input_side")
    @classmethod
    def _on_grid(cls, side: int) -> int:
        if side % _GRID_PX:
            raise PydanticCustomError("allowed", "a multiple of 32 from 32 to 2048")
        return side


class MoveNet(Network):
    """A MoveNet network. A card with an input size is a single-pose network, which keeps its crop between frames."""

    api_version = 1
    Settings = MoveNetSettings
    settings: MoveNetSettings

    def __init__(self, card: Card, settings: MoveNetSettings, output_stride: int) -> None:
        super().__init__(card, settings, output_stride)
        self.needs_previous = card.input_size is not None
        self._crop = CropMemory()

    @property
    def offers(self) -> Wanted:
        """Only poses."""
        return Wanted.POSES

    def with_settings(self, settings: MoveNetSettings) -> MoveNet:
        """The same network with other options, and the same crop."""
        other = MoveNet(self.card, settings, self.output_stride)
        other._crop = self._crop
        return other

    def prepare(self, frame: Frame) -> Prepared:
        """Crop or pad, and resize: tensor (1, h, w, 3) int32, 0 to 255."""
        if self.card.input_size is None:
            return self._prepare_all(frame)
        region = whole_region(*frame.size) if self.settings.crop == "whole" else self._crop.recall(frame)
        return self._prepare_region(frame, region, self.card.input_size)

    def decode(self, outputs: Mapping[str, NDArray[Any]], prepared: Prepared, wanted: Wanted) -> Result:
        """Decode the network's tensor to people with a score of at least `score_threshold`, best first."""
        geometry = prepared.geometry
        size = (geometry.height, geometry.width)
        people = _read_one(outputs) if self.card.input_size else _read_all(outputs)
        order = np.argsort(-people.scores, kind="stable")
        keep = order[people.scores[order] >= self.settings.score_threshold]
        side = np.array([geometry.input_width, geometry.input_height])
        points = geometry.to_source_px(people.keypoints[keep].astype(np.float64) * side)
        if self.needs_previous and self.settings.crop == "follow":
            if len(keep):
                self._crop.remember(points[0], people.keypoint_scores[keep[0]], size)
            else:
                self._crop.forget()
        if not wanted & Wanted.POSES:
            return Result(size)
        boxes = people.boxes
        if boxes is not None:
            corners = geometry.to_source_px(boxes[keep].reshape(-1, 2, 2).astype(np.float64) * side)
            boxes = corners.reshape(-1, 4).astype(np.float32)
        poses = Poses(points.astype(np.float32), people.keypoint_scores[keep], people.scores[keep], boxes)
        return Result(size, poses=poses)

    def _prepare_region(self, frame: Frame, region: Region, size: tuple[int, int]) -> Prepared:
        height, width = frame.size
        rows = crop_positions(region.top, region.bottom, height, size[0])
        columns = crop_positions(region.left, region.right, width, size[1])
        geometry = Geometry(
            height,
            width,
            *size,
            pad_top=-region.top * height,
            pad_bottom=(region.bottom - 1) * height,
            pad_left=-region.left * width,
            pad_right=(region.right - 1) * width,
        )
        return Prepared(self._tensor(sample_bilinear(frame.image, rows, columns)), geometry)

    def _prepare_all(self, frame: Frame) -> Prepared:
        """Resize to the requested long side; pad the other one with zeros, below or on the right, to the grid."""
        (height, width), side = frame.size, self.settings.input_side
        if width > height:
            resized = max(1, round_half_up(side * height / width)), side
        else:
            resized = side, max(1, round_half_up(side * width / height))
        down, across = (-(-each // _GRID_PX) * _GRID_PX for each in resized)
        grid = [
            np.arange(out, dtype=np.float64) * (length / out) for out, length in zip(resized, frame.size, strict=True)
        ]
        picture = np.zeros((down, across, 3))
        picture[: resized[0], : resized[1]] = sample_bilinear(frame.image, grid[0], grid[1])
        below, right = height * (down / resized[0] - 1), width * (across / resized[1] - 1)
        geometry = Geometry(height, width, down, across, pad_bottom=below, pad_right=right)
        return Prepared(self._tensor(picture), geometry)

    def _tensor(self, picture: NDArray[np.float64]) -> NDArray[Any]:
        """Convert (h, w, 3), 0 to 255, to the file's input type: float32, then truncated, as in the reference."""
        tensor = picture.astype(np.float32).astype(self.card.input_dtype)[None]
        return np.ascontiguousarray(np.moveaxis(tensor, 3, 1)) if self.card.layout == "nchw" else tensor


def _only_output(outputs: Mapping[str, NDArray[Any]], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return the network's one output, finite and of this shape; 0: any length."""
    values: NDArray[Any] = next(iter(outputs.values())) if len(outputs) == 1 else np.empty(0)
    if values.ndim != len(shape) or any(want not in (0, have) for want, have in zip(shape, values.shape, strict=True)):
        found = ", ".join(f"{name} {array.shape}" for name, array in outputs.items()) or "none"
        wanted = "×".join(str(side or "any") for side in shape)
        raise EngineError(
            f"The network must have one output of shape {wanted}, but its outputs are {found}. Is it a MoveNet of the "
            "kind that the model card says, single-pose with input_size or multi-pose without?"
        )
    if not np.isfinite(values).all():
        raise EngineError("The network's output contains NaN or infinity; the frame is unusable. Check the model file.")
    return np.asarray(values, np.float32)


def _read_one(outputs: Mapping[str, NDArray[Any]]) -> Poses:
    """Read a single-pose output; keypoints are shares of the input. The score is that of the keypoints seen."""
    values = _only_output(outputs, (1, 1, _JOINTS, 3))[0]
    scores = values[..., 2].astype(np.float64)
    seen = scores > LEAST_KEYPOINT_SCORE
    score = (scores * seen).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
    return Poses(values[..., 1::-1].copy(), values[..., 2].copy(), score.astype(np.float32))


def _read_all(outputs: Mapping[str, NDArray[Any]]) -> Poses:
    """Read a multi-pose output; keypoints and boxes are shares of the input."""
    values = _only_output(outputs, (1, 0, _PERSON_VALUES))[0]
    joints = values[:, : 3 * _JOINTS].reshape(-1, _JOINTS, 3)
    boxes = values[:, [-4, -5, -2, -3]]
    return Poses(joints[..., 1::-1].copy(), joints[..., 2].copy(), values[:, -1].copy(), boxes)
