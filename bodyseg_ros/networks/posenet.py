"""PoseNet: poses of several people, without masks.

Source: tfjs-models ``posenet/src/posenet_model.ts`` and ``util.ts`` (posenet 2.2.2); with replicated borders
``pose-detection/src/posenet/detector.ts`` (pose-detection 2.1.3), which decodes in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from numpy.typing import NDArray
from pydantic import field_validator

from ..decoder_inputs import PoseLimits
from ..geometry import network_size, padded_geometry, replicated_geometry
from ..settings import Size, live
from ..types import Frame, Prepared, Result, Wanted
from .heads import named_heads
from .network import Network, NetworkSettings
from .person_poses import find_poses
from .prepare import pad_frame

__all__ = ["PoseNet", "PoseNetSettings"]

_HEADS = ("heatmaps", "short_offsets", "displacement_fwd", "displacement_bwd")


class PoseNetSettings(NetworkSettings):
    """Every option of the reference packages."""

    input_resolution: int | str = live(
        257,
        "Network input size: side in px, or WIDTHxHEIGHT; rounded down to the stride's grid. Larger is finer and "
        "slower.",
    )
    borders: Literal["zeros", "replicated"] = live(
        "zeros",
        "Padding for other aspect ratios: zeros, as in the posenet package, or the repeated image border, as in "
        "pose-detection.",
    )
    max_poses: int = live(
        1, "Maximum number of people; 1: single-pose decoding, with each keypoint at its highest score.", ge=1, le=100
    )
    score_threshold: float = live(0.5, "Minimum score of a pose's root keypoint.", ge=0.0, le=1.0)
    nms_radius: float = live(
        20.0, "Poses with the same keypoint closer than this are one person, network px.", gt=0.0, le=1000.0
    )

    @field_validator("input_resolution", mode="before")
    @classmethod
    def _readable(cls, value: Any) -> Any:
        try:
            _size_of(value)
        except ValueError as err:
            raise ValueError(f"Parameter input_resolution is {value!r}, but it must be an integer or {err}.") from None
        return value

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) asked for, px."""
        size = _size_of(self.input_resolution)
        return size.height, size.width


def _size_of(value: object) -> Size:
    """A side, or WIDTHxHEIGHT."""
    text = "" if isinstance(value, bool) else str(value)
    return Size.parse(text if "x" in text else f"{text}x{text}", 33, 2049)


class PoseNet(Network):
    """A PoseNet network. Stateless apart from card and settings."""

    api_version = 1
    Settings = PoseNetSettings
    settings: PoseNetSettings

    @property
    def offers(self) -> Wanted:
        """Only poses."""
        return Wanted.POSES

    def prepare(self, frame: Frame) -> Prepared:
        """Pad, resize and normalize a frame: tensor (1, h, w, 3) float32."""
        height, width = self.settings.size
        widened = padded_geometry if self.settings.borders == "zeros" else replicated_geometry
        geometry = widened(*frame.size, *(self.card.input_size or network_size(height, width, 1.0, self.output_stride)))
        return pad_frame(frame, geometry, self.card)

    def decode(self, outputs: Mapping[str, NDArray[Any]], prepared: Prepared, wanted: Wanted) -> Result:
        """Decode the network's tensors to poses, best root first; as in the reference, no pose is dropped for a low
        score.
        """
        options, geometry = self.settings, prepared.geometry
        size = (geometry.height, geometry.width)
        if not wanted & Wanted.POSES:
            return Result(size)
        heads = named_heads(outputs, _HEADS, geometry, self.output_stride, self.card.layout)
        limits = PoseLimits(options.max_poses, options.score_threshold, options.nms_radius)
        poses = find_poses(heads, geometry, limits, single=options.max_poses == 1)
        return Result(size, poses=poses)
