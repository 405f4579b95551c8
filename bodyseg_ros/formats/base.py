"""What a model on disk is, before any engine reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["ModelSource"]


@dataclass(frozen=True)
class ModelSource:
    """A model's file and how it is to be read.

    path: the file that stands for the model (model.json, .pb, .tflite, .onnx, or a SavedModel's folder).
    format: 'tfjs', 'tfjs-v1', 'frozen', 'saved_model', 'tflite', 'onnx', or 'none' for engines without a file.
    input: tensor name of the picture, '' to discover it. outputs: head name → tensor name, empty to take all
    outputs of the file under their own names.
    """

    path: Path
    format: str
    input: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)
