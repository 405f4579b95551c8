"""Describe any model file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from .graph_function import graph_facts
from .model_source import FileFacts, ModelSource
from .onnx import read_onnx
from .openvino_ir import read_openvino
from .saved_model import saved_model_facts
from .tflite import read_tflite

__all__ = ["describe"]

#: Formats that can be read without building a graph.
_LIGHT: Final[Mapping[str, Callable[[Path], FileFacts]]] = {
    "tflite": read_tflite,
    "onnx": read_onnx,
    "openvino": read_openvino,
    "saved_model": saved_model_facts,
}


def describe(source: ModelSource) -> FileFacts:
    """Read inputs, outputs and ops of a model file. May build a TensorFlow graph, but runs nothing.

    Raises ModelFileError; MissingDependencyError for a TensorFlow model where TensorFlow is missing.
    """
    return _LIGHT[source.format](source.path) if source.format in _LIGHT else graph_facts(source)
