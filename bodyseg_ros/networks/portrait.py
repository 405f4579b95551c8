"""Portrait networks: one person near the camera, in a small image of fixed size.

Their differences (size, layout, normalization, output) are in their cards.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..catalog import Card
from ..decode import person_mask
from ..errors import ModelFileError
from ..frame_sequence import FrameSequence
from ..settings import live
from ..types import Frame, Prepared, Result, Wanted
from .network import Network, NetworkSettings
from .pixels import class_indices, class_scores, scores_to_source
from .prepare import stretch_frame

__all__ = ["Portrait", "PortraitSettings"]

#: Maximum time between two frames for reuse of the mask, s.
_MAX_GAP_S: Final = 1.0
#: Mean brightness change, 0 to 1, that counts as a cut.
_CUT: Final = 0.1


class PortraitSettings(NetworkSettings):
    """The person threshold."""

    segmentation_threshold: float = live(
        0.5, "Pixels with a higher person probability belong to the mask.", ge=0.0, le=1.0
    )


class _Memory:
    """The previous frame's mask, for networks that use it; kept across setting changes."""

    def __init__(self) -> None:
        self.mask: NDArray[np.float32] | None = None
        self._frames = FrameSequence()

    def recall(self, frame: Frame, height: int, width: int) -> NDArray[np.float32]:
        """Return (height, width): the last mask, or zeros after a cut, a time jump, or at the start."""
        follows = self._frames.follows(frame, max_gap_s=_MAX_GAP_S, cut=_CUT)
        if self.mask is None or not follows:
            self.mask = np.zeros((height, width), np.float32)
        return self.mask


class Portrait(Network):
    """A portrait network. Keeps the last mask if the network uses it."""

    api_version = 1
    Settings = PortraitSettings
    settings: PortraitSettings

    def __init__(self, card: Card, settings: PortraitSettings, output_stride: int) -> None:
        if card.input_size is None or "person" not in card.classes:
            raise ModelFileError(
                f"The model card {card.name!r} is not for a portrait network: it needs input_size, and classes with "
                "'person' among them."
            )
        super().__init__(card, settings, output_stride)
        self._size = card.input_size
        self.needs_previous = card.preprocessing.previous_mask
        self._person = class_indices(("person",), card, "classes")[0]
        self._memory = _Memory()

    @property
    def offers(self) -> Wanted:
        """The person mask and its probability."""
        return Wanted.PERSON | Wanted.CONFIDENCE

    def with_settings(self, settings: PortraitSettings) -> Portrait:
        """Return this network with other options; it keeps the previous frame's mask."""
        other = Portrait(self.card, settings, self.output_stride)
        other._memory = self._memory
        return other

    def prepare(self, frame: Frame) -> Prepared:
        """Resize the whole frame to the network's size, and add the previous mask if the network uses it."""
        previous = self._memory.recall(frame, *self._size) if self.needs_previous else None
        return stretch_frame(frame, *self._size, self.card, previous)

    def decode(self, outputs: Mapping[str, NDArray[Any]], prepared: Prepared, wanted: Wanted) -> Result:
        """Decode the network's output to a person mask."""
        geometry = prepared.geometry
        mask = class_scores(outputs, self.card, geometry)[..., self._person]
        self._memory.mask = mask
        confidence = scores_to_source(mask, geometry)
        person = person_mask(confidence, self.settings.segmentation_threshold) if wanted & Wanted.PERSON else None
        return Result((geometry.height, geometry.width), person, confidence)
