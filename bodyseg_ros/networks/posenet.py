"""PoseNet: people's poses alone, no masks.

Source: tfjs-models ``posenet/src/posenet_model.ts`` and ``util.ts`` (posenet 2.2.2); with replicated borders
``pose-detection/src/posenet/detector.ts`` (pose-detection 2.1.3), which decodes in the same way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from numpy.typing import NDArray
from pydantic import field_validator

from ..catalog import Card
from ..decoder_inputs import PoseLimits
from ..geometry import network_size, padded_geometry, replicated_geometry
from ..settings import Settings, live
from ..types import Frame, Prepared, Result, Wanted
from .flip import FlipSettings
from .heads import named_heads
from .person_poses import find_poses
from .prepare import pad_frame

__all__ = ["PoseNet", "PoseNetSettings"]

_HEADS = ("heatmaps", "short_offsets", "displacement_fwd", "displacement_bwd")

_SIZE = re.compile(r"(\d+)(?:x(\d+))?")


class PoseNetSettings(FlipSettings):
    """Every option of the reference packages."""

    input_resolution: int | str = live(
        257, "Side of the network's input, px, or WIDTHxHEIGHT; brought down to the stride's grid. Larger is finer."
    )
    borders: Literal["zeros", "replicated"] = live(
        "zeros",
        "What the network sees beside a picture of another aspect: zeros, as the package posenet has it, or the "
        "picture's border repeated, as pose-detection has it.",
    )
    max_poses: int = live(
        1, "Most people in a frame; 1 takes each keypoint's best place, whoever it belongs to.", ge=1, le=100
    )
    score_threshold: float = live(0.5, "Least score of a keypoint from which a pose is begun.", ge=0.0, le=1.0)
    nms_radius: float = live(
        20.0, "Two poses with the same keypoint this close are one person, network px.", ge=0.0, le=1000.0
    )

    @field_validator("input_resolution", mode="before")
    @classmethod
    def _readable(cls, value: Any) -> Any:
        match = None if isinstance(value, bool) else _SIZE.fullmatch(str(value))
        if match is None or not all(33 <= int(side) <= 2049 for side in match.groups() if side):
            raise ValueError(
                f"Parameter input_resolution is {value!r}, but it must be a whole number from 33 to 2049, "
                "or two as WIDTHxHEIGHT."
            )
        return value

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) asked for, px."""
        width, _, height = str(self.input_resolution).partition("x")
        return int(height or width), int(width)


class PoseNet:
    """One PoseNet network; holds its card and settings, and no frame."""

    Settings: ClassVar[type[Settings]] = PoseNetSettings

    def __init__(self, card: Card, settings: PoseNetSettings, output_stride: int) -> None:
        self.card = card
        self.settings = settings
        self.stride = output_stride

    @property
    def offers(self) -> Wanted:
        """Poses, and nothing else."""
        return Wanted.POSES

    def with_settings(self, settings: PoseNetSettings) -> PoseNet:
        """The same network with other options."""
        return PoseNet(self.card, settings, self.stride)

    def prepare(self, frame: Frame) -> Prepared:
        """Pad, resize and normalise a frame: tensor (1, h, w, 3) float32."""
        height, width = self.settings.size
        widened = padded_geometry if self.settings.borders == "zeros" else replicated_geometry
        geometry = widened(*frame.size, *(self.card.input_size or network_size(height, width, 1.0, self.stride)))
        return pad_frame(frame, geometry, self.card)

    def decode(self, outputs: Mapping[str, NDArray[Any]], prepared: Prepared, wanted: Wanted) -> Result:
        """The network's tensors to poses, best root first; as in the reference none is left out for a low score."""
        options, geometry = self.settings, prepared.geometry
        size = (geometry.height, geometry.width)
        if not wanted & Wanted.POSES:
            return Result(size)
        heads = named_heads(outputs, _HEADS, geometry, self.stride, self.card.layout)
        limits = PoseLimits(options.max_poses, options.score_threshold, options.nms_radius)
        poses = find_poses(heads, geometry, limits, single=options.max_poses == 1)
        return Result(size, poses=poses)
