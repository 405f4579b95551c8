"""What a model on disk is, before any engine reads it."""

from __future__ import annotations

import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from ..errors import ModelFileError

__all__ = [
    "FORMATS",
    "MAX_NODES",
    "check_regular", "MAX_MODEL_BYTES", "SUFFIXES", "FileFacts", "Kind", "ModelSource", "Quantize", "TensorFacts",
    "read_file", "short_name",
]  # fmt: skip

#: Every `ModelSource.format`.
FORMATS: Final = frozenset({"tfjs", "tfjs-v1", "frozen", "saved_model", "tflite", "onnx", "openvino", "none"})

#: Weights or files above this are refused before memory is taken; the largest published network has 100 MB.
MAX_MODEL_BYTES: Final = 2**30


#: What a model can be converted to, and how its weights are stored then.
Kind = Literal["tflite", "onnx", "saved_model"]
Quantize = Literal["none", "dynamic", "float16", "int8"]

#: Kind → how its file's name ends; a SavedModel is a folder.
SUFFIXES: Final[Mapping[Kind, str]] = {"tflite": ".tflite", "onnx": ".onnx", "saved_model": "-saved_model"}


#: More nodes than any network has; a hostile file may hold millions, each of two bytes.
MAX_NODES: Final = 100_000

_KINDS_OF_FILE: Final[tuple[tuple[Callable[[int], bool], str], ...]] = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe (FIFO)"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


@dataclass(frozen=True)
class ModelSource:
    """A model's file and how it is to be read.

    path: the file that stands for the model (model.json, .pb, .tflite, .onnx, .xml, or a SavedModel's folder).
    format: 'tfjs', 'tfjs-v1', 'frozen', 'saved_model', 'tflite', 'onnx', 'openvino', or 'none' for
    engines without a file.
    input: tensor name of the picture, '' to discover it. outputs: head name → tensor name (or the name an output
    has in the file's signature), empty to take all outputs of the file under their own names.
    output_stride: network px per output cell that the model was chosen for. others: the same network in other
    files, each for engines that read its format. unknown_digest: a checksum of all its files where nobody published
    it, so that the file is tried in a process of its own first; '' if it is known or trusted.
    """

    path: Path
    format: str
    input: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)
    output_stride: int = 16
    others: tuple[ModelSource, ...] = ()
    unknown_digest: str = ""


@dataclass(frozen=True)
class TensorFacts:
    """What a model file says of one of its inputs or outputs.

    dtype: NumPy's name. shape: None where any length will do. An 8-bit value q means (q − zero_point) · scale;
    scale is 0 where the file says none.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]
    scale: float = 0.0
    zero_point: int = 0


@dataclass(frozen=True)
class FileFacts:
    """What a model file says of itself, read without running it. ops: op → how many there are."""

    inputs: tuple[TensorFacts, ...]
    outputs: tuple[TensorFacts, ...]
    ops: Mapping[str, int]


def check_regular(path: Path) -> None:
    """Raise ModelFileError unless a path is a regular file, or a link that ends at one; nothing is opened.

    A pipe or a terminal would be waited for, a device has no end.
    """
    try:
        mode = path.stat().st_mode
    except OSError as err:
        raise _unreadable(path, err) from err
    if not stat.S_ISREG(mode):
        found = next((kind for is_kind, kind in _KINDS_OF_FILE if is_kind(mode)), "something else")
        raise ModelFileError(f"The model file {str(path)!r} is {found}, but it must be a regular file.")


def _unreadable(path: Path, err: OSError) -> ModelFileError:
    return ModelFileError(f"The model file {str(path)!r} cannot be read: {err.strerror}.")


def read_file(path: Path, limit: int = MAX_MODEL_BYTES) -> bytes:
    """A model file's bytes.

    Raises ModelFileError if it cannot be read, is no regular file, or has more than `limit` bytes.
    """
    check_regular(path)
    try:
        size = path.stat().st_size
        if size > limit:
            raise ModelFileError(f"The model file {str(path)!r} has {size:,} bytes; at most {limit:,} are read.")
        return path.read_bytes()
    except OSError as err:
        raise _unreadable(path, err) from err


def short_name(tensor: str) -> str:
    """A tensor's name as converters and signatures shorten it: 'MobilenetV1/heatmap_2/BiasAdd:0' → 'heatmap_2'."""
    return tensor.removesuffix(":0").removesuffix("/BiasAdd").split("/")[-1]
