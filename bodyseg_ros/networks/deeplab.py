"""DeepLab: a class per pixel, including people.

Source: tensorflow/models ``research/deeplab/deeplab_demo.ipynb`` (images are scaled to a long side of 513 px).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..catalog import Card
from ..decode import person_mask
from ..errors import SettingsError
from ..settings import live, start_only
from ..types import Frame, Prepared, Result, Wanted
from .network import Network, NetworkSettings
from .pixels import class_indices, class_scores, labels_to_source, scores_to_source
from .prepare import stretch_frame

__all__ = ["DeepLab", "DeepLabSettings"]

#: The published graphs pad the image to this side, and take no larger one, px.
_LARGEST_SIDE: Final = 513


class DeepLabSettings(NetworkSettings):
    """The classes that make the mask, and the threshold."""

    kept_classes: tuple[str, ...] = start_only(("person",), "Classes in the mask; the model's card lists the names.")
    segmentation_threshold: float = live(
        0.5, "Pixels belong to the mask if the summed probability of the kept classes is higher.", ge=0.0, le=1.0
    )
    input_size: int = live(
        _LARGEST_SIDE,
        "Long side of the network's input, px, for files whose input has no fixed size. A smaller one shows less "
        "detail, and is faster unless the file pads it.",
        ge=33,
        le=_LARGEST_SIDE,
    )


class DeepLab(Network):
    """A DeepLab network. Stateless apart from card and settings."""

    api_version = 1
    Settings = DeepLabSettings
    settings: DeepLabSettings

    def __init__(self, card: Card, settings: DeepLabSettings, output_stride: int) -> None:
        super().__init__(card, settings, output_stride)
        self._kept = class_indices(settings.kept_classes, card, "kept_classes")
        if card.input_size and settings.input_size not in (_LARGEST_SIDE, max(card.input_size)):
            height, width = card.input_size
            raise SettingsError(
                f"Parameter input_size is {settings.input_size}, but the input of {card.name} is always "
                f"{width}×{height} px: leave it at {_LARGEST_SIDE}, or take a model whose input has no fixed size."
            )

    @property
    def offers(self) -> Wanted:
        """The mask, its probability, and every class."""
        return Wanted.PERSON | Wanted.CONFIDENCE | Wanted.CLASSES

    def prepare(self, frame: Frame) -> Prepared:
        """Resize the whole frame to the file's input size, or to a long side of `input_size` if that is open."""
        return stretch_frame(frame, *(self.card.input_size or self._open_size(*frame.size)), self.card)

    def _open_size(self, height: int, width: int) -> tuple[int, int]:
        ratio = self.settings.input_size / max(height, width)
        return max(1, int(height * ratio)), max(1, int(width * ratio))

    def decode(self, outputs: Mapping[str, NDArray[Any]], prepared: Prepared, wanted: Wanted) -> Result:
        """Decode the class map and the mask of the kept classes; confidence is 0 or 1 if the file outputs labels."""
        geometry = prepared.geometry
        scores = class_scores(outputs, self.card, geometry)
        are_labels = scores.ndim == 2
        labels = scores if are_labels else scores.argmax(axis=2).astype(np.uint8)
        confidence = person = classes = None
        if wanted & (Wanted.PERSON | Wanted.CONFIDENCE):
            kept = np.isin(labels, self._kept) if are_labels else scores[..., self._kept].sum(axis=2)
            confidence = scores_to_source(kept.astype(np.float32), geometry)
            person = person_mask(confidence, self.settings.segmentation_threshold)
        if wanted & Wanted.CLASSES:
            classes = labels_to_source(labels, geometry)
        size = (geometry.height, geometry.width)
        return Result(size, person, confidence, classes=classes, class_names=tuple(self.card.classes))
