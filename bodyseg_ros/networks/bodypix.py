"""BodyPix: person mask, 24 body parts, several people.

Source: tfjs-models ``body-pix/src/body_pix_model.ts`` (body-pix 2.2.1), options as documented there and in
``body-segmentation`` 1.0.2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..decode import confidence_map, instance_map, part_map, person_map, person_mask
from ..decoder_inputs import LongOffsets, PoseLimits
from ..geometry import Geometry, network_size, padded_geometry
from ..settings import live
from ..types import MAP_CONFIDENCE, MAP_PARTS, MAP_PERSON, Frame, MapsWanted, Outputs, Poses, Prepared, Result, Wanted
from .heads import HEAD_NAMES, named_heads
from .network import Network, NetworkSettings
from .person_poses import close_up_scores, find_poses
from .prepare import pad_frame

__all__ = ["BodyPix", "BodyPixSettings"]

_FRACTIONS: Final[Mapping[str, float]] = {"low": 0.25, "medium": 0.5, "high": 0.75, "full": 1.0}
_FROM_SEGMENTS: Final = Wanted.CONFIDENCE | Wanted.PERSON | Wanted.PARTS | Wanted.INSTANCES


class BodyPixSettings(NetworkSettings):
    """Every option of the reference."""

    internal_resolution: Literal["low", "medium", "high", "full"] | Annotated[float, Field(ge=0.1, le=2.0)] = live(
        "medium",
        "Network input size as a share of the frame's sides: low 0.25, medium 0.5, high 0.75, full 1.0, or a "
        "number. Larger values find smaller people and finer edges; time grows with the square. Ignored by "
        "models with a fixed input size.",
    )
    max_input_px: int = live(
        4_194_304,
        "Maximum number of network input pixels, for any frame size and internal_resolution; limits time and "
        "memory. 4,194,304 is 2048×2048.",
        ge=1024,
        le=100_000_000,
    )
    segmentation_threshold: float = live(
        0.7, "Pixels with a higher person probability belong to the mask.", ge=0.0, le=1.0
    )
    segment_body_parts: bool = live(True, "Compute the 24 body parts when requested.")
    multi_segmentation: bool = live(True, "Compute one mask per person when requested.")
    max_detections: int = live(10, "Maximum number of people.", ge=1, le=100)
    score_threshold: float = live(0.3, "Minimum score of a pose and of its root keypoint.", ge=0.0, le=1.0)
    close_up_score: float = live(
        0.6,
        "Keep a large pose below score_threshold if at least 5 of its keypoints reach min_keypoint_score and their "
        "mean score is above this: a face that fills the image. 1: never, as in the reference.",
        ge=0.0,
        le=1.0,
    )
    nms_radius: float = live(
        20.0, "Poses with the same keypoint closer than this are one person, network px.", gt=0.0, le=1000.0
    )
    min_keypoint_score: float = live(0.3, "Minimum score of a keypoint used to separate people.", ge=0.0, le=1.0)
    refine_steps: int = live(10, "Refinement steps from a pixel to its person's keypoints.", ge=1, le=20)


class BodyPix(Network):
    """A BodyPix network. Stateless apart from card and settings.

    The v1 models of 2018 have no displacements or long offsets: they find one pose, which owns all person pixels.
    """

    api_version = 1
    Settings = BodyPixSettings
    settings: BodyPixSettings

    @property
    def offers(self) -> Wanted:
        """Everything the options leave on."""
        offers = Wanted.EVERYTHING & ~Wanted.CLASSES
        if not self.settings.segment_body_parts:
            offers &= ~Wanted.PARTS
        if not self.settings.multi_segmentation:
            offers &= ~Wanted.INSTANCES
        return offers

    def prepare(self, frame: Frame) -> Prepared:
        """Pad, resize and normalize a frame: tensor (1, h, w, 3) float32."""
        return pad_frame(frame, self._geometry(*frame.size), self.card)

    def maps_wanted(self, prepared: Prepared, wanted: Wanted) -> MapsWanted | None:
        """Maps that replace decode()'s own work on `segments` and `part_heatmaps`; None if none are needed."""
        wanted &= self.offers
        if not wanted & _FROM_SEGMENTS or self.card.layout != "nhwc":
            return None
        return MapsWanted(
            prepared.geometry,
            self.settings.segmentation_threshold,
            confidence=Wanted.CONFIDENCE in wanted,
            parts=Wanted.PARTS in wanted,
            segments=HEAD_NAMES["segments"],
            part_heatmaps=HEAD_NAMES["part_heatmaps"],
        )

    def decode(self, outputs: Mapping[str, NDArray[Any]], prepared: Prepared, wanted: Wanted) -> Result:
        """Decode the network's tensors to the wanted masks, parts, poses and instances.

        Maps already decoded by the engine (`maps_wanted`) are used as is.
        """
        options, geometry = self.settings, prepared.geometry
        wanted &= self.offers
        confidence, person, parts = (outputs.get(name) for name in (MAP_CONFIDENCE, MAP_PERSON, MAP_PARTS))
        needed = _needed(wanted if parts is None else wanted & ~Wanted.PARTS)
        heads = named_heads(outputs, needed, geometry, self.output_stride, self.card.layout)
        poses = instances = None
        if person is None and wanted & Wanted.CONFIDENCE:
            confidence = confidence_map(heads["segments"], geometry)
            person = person_mask(confidence, options.segmentation_threshold)
        elif person is None and wanted & _FROM_SEGMENTS:
            person = person_map(heads["segments"], geometry, options.segmentation_threshold)
        if parts is None and wanted & Wanted.PARTS and person is not None:
            parts = part_map(heads["part_heatmaps"], person, geometry)
        if wanted & (Wanted.POSES | Wanted.INSTANCES):
            poses = self._people(heads, geometry)
        if wanted & Wanted.INSTANCES and person is not None and poses is not None:
            instances = self._instances(heads, person, poses, geometry)
        return Result((geometry.height, geometry.width), person, confidence, parts, instances, poses)

    def _geometry(self, height: int, width: int) -> Geometry:
        resolution = self.settings.internal_resolution
        fraction = _FRACTIONS[resolution] if isinstance(resolution, str) else resolution
        # Also for a frame one pixel high, of which the network sees one row.
        most = self.settings.max_input_px
        fraction = min(fraction, math.sqrt(most / (height * width)), most / max(height, width))
        size = self.card.input_size or network_size(height, width, fraction, self.output_stride)
        return padded_geometry(height, width, *size)

    def _people(self, heads: Outputs, geometry: Geometry) -> Poses:
        """Poses that pass the thresholds, in source px."""
        options = self.settings
        limits = PoseLimits(options.max_detections, options.score_threshold, options.nms_radius)
        has_tree = "displacement_fwd" in heads and "displacement_bwd" in heads
        everyone = find_poses(heads, geometry, limits, single=not has_tree)
        kept = everyone.scores >= np.float32(options.score_threshold)
        if options.close_up_score < 1:
            size = geometry.height, geometry.width
            kept |= close_up_scores(everyone, size, options.min_keypoint_score) > options.close_up_score
        return everyone.only(kept)

    def _instances(
        self, heads: Outputs, person: NDArray[np.uint8], poses: Poses, geometry: Geometry
    ) -> NDArray[np.int16]:
        options = self.settings
        if "long_offsets" not in heads:
            owner = 0 if len(poses) else -1
            return np.where(person == 1, np.int16(owner), np.int16(-1))
        return instance_map(
            LongOffsets(heads["long_offsets"], heads.stride, geometry),
            person,
            poses,
            refine_steps=options.refine_steps,
            min_keypoint_score=options.min_keypoint_score,
        )


def _needed(wanted: Wanted) -> tuple[str, ...]:
    """Heads required for what is wanted."""
    needed = []
    if wanted & _FROM_SEGMENTS:
        needed.append("segments")
    if wanted & Wanted.PARTS:
        needed.append("part_heatmaps")
    if wanted & (Wanted.POSES | Wanted.INSTANCES):
        needed += ["heatmaps", "short_offsets"]
    return tuple(needed)
