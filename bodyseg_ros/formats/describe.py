"""What any model file says of itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from .base import FileFacts, ModelSource, TensorFacts
from .onnx import read_onnx
from .opening import READERS, open_model
from .openvino import read_openvino
from .tflite import read_tflite

__all__ = ["describe"]

#: Formats that say all this without being built.
_LIGHT: Final[Mapping[str, Callable[[Path], FileFacts]]] = {
    "tflite": read_tflite,
    "onnx": read_onnx,
    "openvino": read_openvino,
}


def describe(source: ModelSource) -> FileFacts:
    """Inputs, outputs and ops of a model's file; a TensorFlow graph is built for it, nothing is run.

    Raises ModelFileError; MissingDependencyError for a TensorFlow model where TensorFlow is missing.
    """
    if source.format in _LIGHT:
        return _LIGHT[source.format](source.path)
    model = open_model(source)
    picture = TensorFacts(model.input, model.dtype, model.shape)
    outputs = tuple(TensorFacts(name, model.dtypes[name], shape) for name, shape in model.outputs.items())
    return FileFacts((picture,), outputs, _ops(source.path, source.format))


def _ops(path: Path, kind: str) -> Counter[str]:
    """Op → how many of it, as the file has them."""
    return Counter(node.op for node in READERS[kind](path).graph.node if node.op != "Const")
