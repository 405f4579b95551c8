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
    "check_regular", "MAX_MODEL_BYTES", "SUFFIXES", "FileFacts", "GraphNode", "Kind", "ModelSource", "Quantize",
    "TensorFacts", "read_file", "short_name",
]  # fmt: skip

#: Every `ModelSource.format`.
FORMATS: Final = frozenset({"tfjs", "tfjs-v1", "frozen", "saved_model", "tflite", "onnx", "openvino", "none"})

#: Larger weights or files are refused before memory is allocated; the largest published network has 100 MB.
MAX_MODEL_BYTES: Final = 2**30


#: What a model can be converted to, and how its weights are stored then.
Kind = Literal["tflite", "onnx", "saved_model", "tfjs"]
Quantize = Literal["none", "dynamic", "float16", "int8"]

#: Kind → how its file's name ends; a SavedModel and a tfjs model are folders.
SUFFIXES: Final[Mapping[Kind, str]] = {
    "tflite": ".tflite", "onnx": ".onnx", "saved_model": "-saved_model", "tfjs": "-tfjs",
}  # fmt: skip


#: More nodes than any network has; a hostile file may have millions of two bytes each.
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
    """A model file and how to read it.

    path: the model's main file (model.json, .pb, .tflite, .onnx, .xml, or a SavedModel's folder).
    format: 'tfjs', 'tfjs-v1', 'frozen', 'saved_model', 'tflite', 'onnx', 'openvino', or 'none' for
    engines without a file.
    input: name of the input tensor, '' to discover it. outputs: head name → tensor name (or the name an output
    has in the file's signature), empty for all outputs under their own names.
    output_stride: network px per output cell. any_stride: one graph serves every output stride and is changed to this
    one when it is read (formats tfjs and tfjs-v1). others: the same network in other formats. unknown_digest: checksum
    of files that need a trial run, because no checksum was published; '' if known or trusted.
    """

    path: Path
    format: str
    input: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)
    output_stride: int = 16
    any_stride: bool = False
    others: tuple[ModelSource, ...] = ()
    unknown_digest: str = ""


@dataclass(frozen=True)
class TensorFacts:
    """Facts about an input or output of a model file.

    dtype: NumPy's name. shape: None for open sides. An 8-bit value q means (q − zero_point) · scale; scale is 0 if not
    quantized.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]
    scale: float = 0.0
    zero_point: int = 0


@dataclass(frozen=True)
class FileFacts:
    """Facts about a model file, read without running it. ops: op → count."""

    inputs: tuple[TensorFacts, ...]
    outputs: tuple[TensorFacts, ...]
    ops: Mapping[str, int]


@dataclass(frozen=True)
class GraphNode:
    """An op of a model file, with the ids of the tensors that it reads and makes; weights may be among them."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


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
    """Read a model file.

    Raises ModelFileError if it cannot be read, is not a regular file, or has more than `limit` bytes.
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
