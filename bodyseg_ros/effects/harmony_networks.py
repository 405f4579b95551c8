"""Networks that match people to their background: one per form of file."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from ..engines import Engine, open_engine
from ..errors import EngineError, ModelFileError
from ..formats import ModelSource, describe, detect, read_file
from ..frame_sequence import FrameSequence
from ..types import Frame
from .blending import Mask, Picture

__all__ = ["HarmonyNetwork", "apply_table", "open_network"]

#: Input side of a network whose file leaves it open, px.
_OPEN_SIDE_PX: Final = 256
#: Mean of the pictures that Deep Image Harmonization learned from, B, G, R, and its mask's: the authors' demo.py.
_CAFFE_MEAN: Final = np.array([104.00699, 116.66877, 122.67892], np.float32)
_CAFFE_MASK_MEAN: Final = np.float32(128)
_WHITE: Final = np.float32(255)
#: Maximum time between two frames, s, and mean brightness change, 0 to 1, of frames whose tables are mixed.
_MAX_GAP_S: Final = 1.0
_CUT: Final = 0.1
_MOST_PROTOTXT_BYTES: Final = 2**20
Array = NDArray[np.float32]
Box = tuple[int, int, int, int]


class HarmonyNetwork(ABC):
    """Recolors an image so that its people match the rest."""

    @abstractmethod
    def recolor(self, frame: Frame, person: Mask, smoothing: float = 0.0, area: Box | None = None) -> Picture:
        """Return the image, (H, W, 3) uint8 RGB, as people are to look; person: (H, W), 1 where one is.

        smoothing: share of the change of color that is kept from the frame before, if this one follows it; for networks
        whose output is a table. area: left, top, width and height of what is needed, px; the rest may stay as it is.
        """


def open_network(path: Path, engine: str, size_px: int) -> HarmonyNetwork:
    """Open a network's file: Caffe's two by OpenCV, any other by an engine plugin.

    size_px: height and width of its input; 0: what the file states. Raises ModelError, PluginError.
    """
    if path.suffix in (".caffemodel", ".prototxt"):
        return CaffeNetwork(path)
    source = detect(path, 1)
    return EngineNetwork(open_engine(engine, source, {}), size_px or _stated_side(source))


class EngineNetwork(HarmonyNetwork):
    """Input: 1×s×s×4, RGB and mask from 0 to 1. Output: a table of colors, 1×n×n×n×3, or a picture, 1×s×s×3."""

    def __init__(self, engine: Engine, side: int) -> None:
        self._engine, self._side = engine, side
        self._frames = FrameSequence()
        self._table: Array | None = None

    def recolor(self, frame: Frame, person: Mask, smoothing: float = 0.0, area: Box | None = None) -> Picture:
        """See HarmonyNetwork.recolor(). Raises EngineError if the output is neither a table nor a picture."""
        image, side = frame.image, self._side
        small = np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA), np.float32) / _WHITE
        mask = cv2.resize(person, (side, side), interpolation=cv2.INTER_NEAREST).astype(np.float32)
        answers = list(self._engine.run(np.dstack([small, mask])[None]).values())
        answer = np.asarray(answers[0][0] if len(answers) == 1 and len(answers[0]) == 1 else (), np.float32)
        if np.isfinite(answer).all():
            if answer.ndim == 4 and answer.shape == (*answer.shape[:1] * 3, 3) and len(answer) > 1:
                return _recolor_area(image, self._smooth(frame, answer, smoothing), area)
            if answer.shape == (side, side, 3):
                return _enlarge_change(image, small, answer)
        raise EngineError(
            f"The network for harmonize must output a table of 1×n×n×n×3 numbers or a picture of 1×{side}×{side}×3, "
            f"but it outputs {[answer.shape for answer in answers]}."
        )

    def _smooth(self, frame: Frame, table: Array, smoothing: float) -> Array:
        """Mix a table with the last one: a mask that flickers must not make colors flicker."""
        follows = self._frames.follows(frame, max_gap_s=_MAX_GAP_S, cut=_CUT)
        if follows and self._table is not None and self._table.shape == table.shape:
            table = table + np.float32(smoothing) * (self._table - table)
        self._table = table
        return table


class CaffeNetwork(HarmonyNetwork):
    """Deep Image Harmonization (Tsai et al., 2017) as published for Caffe, run by OpenCV.

    Its blobs are 'data', 1×3×h×w, B, G, R less a mean, and 'mask', 1×1×h×w, 0 to 255 less 128; it outputs B, G, R like
    'data'. Source: wasidennis/DeepHarmonization, demo.py.
    """

    def __init__(self, path: Path) -> None:
        layers, weights = _caffe_files(path)
        text = read_file(layers, _MOST_PROTOTXT_BYTES)
        self._size = _caffe_size(text, layers)
        network, stored = np.frombuffer(text, np.uint8), np.frombuffer(read_file(weights), np.uint8)
        try:
            self._net = cv2.dnn.readNetFromCaffe(network, stored)
            self._run(np.zeros((*self._size, 3), np.float32), np.zeros(self._size, np.float32))
        except (cv2.error, AttributeError, EngineError) as err:  # OpenCV 5 no longer reads Caffe
            raise ModelFileError(
                f"OpenCV {cv2.__version__} cannot run the Caffe network {str(weights)!r} of {layers.name!r}: "
                f"{_reason(err)}. Check that both files belong together and that OpenCV is older than 5, or convert "
                "the network to ONNX."
            ) from err

    def recolor(self, frame: Frame, person: Mask, smoothing: float = 0.0, area: Box | None = None) -> Picture:
        """See HarmonyNetwork.recolor(). Raises EngineError for numbers that are none."""
        image = frame.image
        size = self._size[::-1]
        small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.float32)
        mask = cv2.resize(person, size, interpolation=cv2.INTER_NEAREST).astype(np.float32) * _WHITE
        return _enlarge_change(image, small / _WHITE, self._run(small, mask) / _WHITE)

    def _run(self, small: Array, mask: Array) -> Array:
        """Return the painted picture; all of 0 to 255, RGB."""
        self._net.setInput((small[..., ::-1] - _CAFFE_MEAN).transpose(2, 0, 1)[None], "data")
        self._net.setInput((mask - _CAFFE_MASK_MEAN)[None, None], "mask")
        answer = np.asarray(self._net.forward(), np.float32)
        if answer.shape != (1, 3, *self._size) or not np.isfinite(answer).all():
            sides = "×".join(map(str, self._size))
            raise EngineError(f"it must output 1×3×{sides} finite numbers, but it outputs {answer.shape}")
        return np.asarray((answer[0].transpose(1, 2, 0) + _CAFFE_MEAN)[..., ::-1], np.float32)


def apply_table(image: Picture, table: Array) -> Picture:
    """Look colors up in a table, linear between its entries.

    table: (n, n, n, 3), the new R, G, B from 0 to 1 of each color; its axes are red, green and blue from 0 to 1.
    """
    # Pillow's red index changes fastest.
    entries = np.clip(table, 0, 1).astype(np.float32).transpose(2, 1, 0, 3).reshape(-1)
    lookup = ImageFilter.Color3DLUT(len(table), entries)
    return np.asarray(Image.fromarray(np.ascontiguousarray(image)).filter(lookup), np.uint8)


def _recolor_area(image: Picture, table: Array, area: Box | None) -> Picture:
    """Return a copy with other colors in an area; None: everywhere."""
    left, top, width, height = area or (0, 0, *image.shape[1::-1])
    part = np.s_[top : top + height, left : left + width]
    changed = image.copy()
    changed[part] = apply_table(image[part], table)
    return changed


def _enlarge_change(image: Picture, small: Array, painted: Array) -> Picture:
    """Change an image as its small copy was painted: the change is smooth, the image's own detail stays."""
    change = (np.clip(painted, 0, 1) - small) * _WHITE
    enlarged = cv2.resize(change, image.shape[1::-1], interpolation=cv2.INTER_LINEAR).reshape(image.shape)
    return np.asarray(np.clip(image + enlarged, 0, 255), np.uint8)


def _stated_side(source: ModelSource) -> int:
    """Side of the square input that a file states."""
    if source.format not in ("tflite", "onnx", "openvino"):
        return _OPEN_SIDE_PX
    sides = [side for side in describe(source).inputs[0].shape[1:3] if side]
    return sides[0] if len(set(sides)) == 1 else _OPEN_SIDE_PX


def _caffe_files(path: Path) -> tuple[Path, Path]:
    """(.prototxt, .caffemodel): one is given, the other has its name or is the only one of its kind beside it."""
    found = {path.suffix: path}
    for suffix in {".prototxt", ".caffemodel"} - {path.suffix}:
        beside = sorted(path.parent.glob(f"*{suffix}"))
        named = [file for file in beside if file.stem == path.stem] or beside
        if len(named) != 1:
            have = ", ".join(file.name for file in beside) or "none"
            raise ModelFileError(
                f"A Caffe network has two files, and beside {str(path)!r} must be one {suffix} of its name, or only "
                f"one; there are: {have}."
            )
        found[suffix] = named[0]
    return found[".prototxt"], found[".caffemodel"]


def _caffe_size(text: bytes, path: Path) -> tuple[int, int]:
    """(height, width) of the first input: its sides are the first four dimensions of the file."""
    sides = [int(side) for side in re.findall(rb"\b(?:input_)?dim\s*:\s*(\d+)", text)[:4]]
    if len(sides) != 4 or sides[:2] != [1, 3] or not all(16 <= side <= 2048 for side in sides[2:]):
        raise ModelFileError(
            f"The Caffe file {str(path)!r} must begin with an input of 1×3×h×w, h and w from 16 to 2048, but it states "
            f"{sides}."
        )
    return sides[2], sides[3]


def _reason(err: Exception) -> str:
    """First line of an error, of OpenCV's without its file and line."""
    lines = str(err).strip().splitlines() or [type(err).__name__]
    return lines[0].rpartition("error: ")[2].rstrip(".")
