"""Top-down pose networks: the keypoints of one person who fills the image, from SimCC vectors or heatmaps.

Source of the decoding: mmpose 1.3 ``codecs/utils/post_processing.py`` (get_simcc_maximum, get_heatmap_maximum) and
``codecs/utils/refinement.py`` (refine_keypoints); of the cropping: ``structures/bbox/transforms.py`` (get_warp_matrix).
Papers: SimCC, https://arxiv.org/abs/2107.03332; RTMPose, https://arxiv.org/abs/2303.07399; heatmaps,
https://arxiv.org/abs/1804.06208.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..body import KEYPOINT_NAMES
from ..catalog import Card
from ..errors import EngineError, ModelFileError
from ..geometry import padded_geometry
from ..settings import live
from ..types import Frame, Poses, Prepared, Result, Wanted
from .network import Network, NetworkSettings
from .prepare import pad_frame

__all__ = ["TopDown", "TopDownSettings"]

_JOINTS: Final = len(KEYPOINT_NAMES)
#: Shift of a heatmap's maximum towards its greater neighbor, cells.
_SHIFT: Final = 0.25


class TopDownSettings(NetworkSettings):
    """The person threshold."""

    score_threshold: float = live(0.2, "Minimum mean score of a person's 17 keypoints.", ge=0.0, le=1.0)


class TopDown(Network):
    """A top-down pose network. Of files with more than 17 keypoints, the first 17 must be COCO's, as in mmpose's."""

    api_version = 1
    Settings = TopDownSettings
    settings: TopDownSettings

    def __init__(self, card: Card, settings: TopDownSettings, output_stride: int) -> None:
        if card.input_size is None:
            raise ModelFileError(f"The model card {card.name!r} is not for a top-down network: it needs input_size.")
        super().__init__(card, settings, output_stride)
        self._size = card.input_size

    @property
    def offers(self) -> Wanted:
        """Only poses."""
        return Wanted.POSES

    def prepare(self, frame: Frame) -> Prepared:
        """Pad to the input's aspect, resize and normalize: tensor (1, 3, h, w) or (1, h, w, 3) float32."""
        return pad_frame(frame, padded_geometry(*frame.size, *self._size), self.card)

    def decode(self, outputs: Mapping[str, NDArray[Any]], prepared: Prepared, wanted: Wanted) -> Result:
        """Decode the network's tensors to one person, or to nobody below `score_threshold`."""
        geometry = prepared.geometry
        size = (geometry.height, geometry.width)
        points, scores = _read_keypoints(outputs, self._size)
        if not wanted & Wanted.POSES:
            return Result(size)
        score = scores.mean(dtype=np.float64)
        if score < self.settings.score_threshold:
            return Result(size, poses=Poses.none())
        keypoints = geometry.to_source_px(points).astype(np.float32)
        return Result(size, poses=Poses(keypoints[None], scores[None], np.array([score], np.float32)))


def _read_keypoints(
    outputs: Mapping[str, NDArray[Any]], size: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Keypoints (17, 2), x and y in px of an input of size (h, w), and scores (17,).

    Raises EngineError if the outputs are neither two vectors per keypoint nor one heatmap per keypoint.
    """
    # By name: simcc_x before simcc_y.
    shapes = [outputs[name].shape for name in sorted(outputs)]
    ranks = [len(shape) for shape in shapes]
    alike = len({shape[:2] for shape in shapes}) == 1
    if ranks not in ([3, 3], [4]) or not alike or shapes[0][0] != 1 or shapes[0][1] < _JOINTS:
        found = ", ".join(f"{name} {array.shape}" for name, array in outputs.items()) or "none"
        raise EngineError(
            "The network must have two outputs 1×keypoints×length (SimCC), or one 1×keypoints×height×width (heatmaps), "
            f"with at least {_JOINTS} keypoints, but its outputs are {found}. Is it a top-down network?"
        )
    arrays = [np.asarray(outputs[name][0, :_JOINTS], np.float32) for name in sorted(outputs)]
    if not all(np.isfinite(array).all() for array in arrays):
        raise EngineError("The network's output contains NaN or infinity; the frame is unusable. Check the model file.")
    points, scores = _from_simcc(*arrays) if len(arrays) == 2 else _from_heatmaps(arrays[0])
    return points * size[::-1], np.clip(scores, 0, 1)


def _from_simcc(across: NDArray[np.float32], down: NDArray[np.float32]) -> tuple[NDArray[np.float64], Any]:
    """Read vectors (17, length) of x and of y; points as shares of the input."""
    places = np.stack([across.argmax(axis=1), down.argmax(axis=1)], axis=-1)
    return places / (across.shape[1], down.shape[1]), np.minimum(across.max(axis=1), down.max(axis=1))


def _from_heatmaps(maps: NDArray[np.float32]) -> tuple[NDArray[np.float64], Any]:
    """Read heatmaps (17, h, w); points as shares of the input."""
    height, width = maps.shape[1:]
    joints, flat = np.arange(len(maps)), maps.reshape(len(maps), -1)
    y, x = np.divmod(flat.argmax(axis=1), width)
    around = np.pad(maps, ((0, 0), (1, 1), (1, 1)))
    right, left = around[joints, y + 1, x + 2], around[joints, y + 1, x]
    below, above = around[joints, y + 2, x + 1], around[joints, y, x + 1]
    # The reference shifts neither on the border nor in the cell beside its first row and column.
    across = np.where((x > 1) & (x < width - 1) & (y > 0), np.sign(right - left), 0)
    down = np.where((y > 1) & (y < height - 1) & (x > 0), np.sign(below - above), 0)
    points = np.stack([x + _SHIFT * across, y + _SHIFT * down], axis=-1)
    return points / (width, height), flat.max(axis=1)
