"""What a model on disk is, before any engine reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ..errors import ModelFileError

__all__ = ["FORMATS", "MAX_MODEL_BYTES", "ModelSource", "read_file"]

#: Every `ModelSource.format`.
FORMATS: Final = frozenset({"tfjs", "tfjs-v1", "frozen", "saved_model", "tflite", "onnx", "none"})

#: Weights or files above this are refused before memory is taken; the largest published network has 100 MB.
MAX_MODEL_BYTES: Final = 2**30


@dataclass(frozen=True)
class ModelSource:
    """A model's file and how it is to be read.

    path: the file that stands for the model (model.json, .pb, .tflite, .onnx, or a SavedModel's folder).
    format: 'tfjs', 'tfjs-v1', 'frozen', 'saved_model', 'tflite', 'onnx', or 'none' for engines without a file.
    input: tensor name of the picture, '' to discover it. outputs: head name → tensor name (or the name an output
    has in the file's signature), empty to take all outputs of the file under their own names.
    output_stride: network px per output cell that the model was chosen for.
    """

    path: Path
    format: str
    input: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)
    output_stride: int = 16


def read_file(path: Path, limit: int = MAX_MODEL_BYTES) -> bytes:
    """A model file's bytes. Raises ModelFileError if it cannot be read or has more than `limit` bytes."""
    try:
        size = path.stat().st_size
        if size > limit:
            raise ModelFileError(f"The model file {str(path)!r} has {size:,} bytes; at most {limit:,} are read.")
        return path.read_bytes()
    except OSError as err:
        raise ModelFileError(f"The model file {str(path)!r} cannot be read: {err.strerror}.") from err
