"""Describe any model file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from .graph_function import graph_facts, graph_nodes
from .model_source import FileFacts, GraphNode, ModelSource
from .onnx import onnx_nodes, read_onnx
from .openvino_ir import openvino_nodes, read_openvino
from .saved_model import saved_model_facts
from .tflite import read_tflite, tflite_nodes

__all__ = ["describe", "list_nodes"]

#: Formats that can be read without building a graph.
_LIGHT: Final[Mapping[str, Callable[[Path], FileFacts]]] = {
    "tflite": read_tflite,
    "onnx": read_onnx,
    "openvino": read_openvino,
    "saved_model": saved_model_facts,
}
_NODES: Final[Mapping[str, Callable[[Path], tuple[list[GraphNode], list[str]]]]] = {
    "tflite": tflite_nodes,
    "onnx": onnx_nodes,
    "openvino": openvino_nodes,
}


def describe(source: ModelSource) -> FileFacts:
    """Read inputs, outputs and ops of a model file. May build a TensorFlow graph, but runs nothing.

    Raises ModelFileError; MissingDependencyError for a TensorFlow model where TensorFlow is missing.
    """
    return _LIGHT[source.format](source.path) if source.format in _LIGHT else graph_facts(source)


def list_nodes(source: ModelSource) -> tuple[list[GraphNode], list[str]]:
    """Return the ops of a model file in its order, and the ids of its inputs. Runs nothing; raises as describe()."""
    return _NODES[source.format](source.path) if source.format in _NODES else graph_nodes(source)
