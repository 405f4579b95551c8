"""Read model files; all are untrusted input.

One module per format: tfjs, graphdef, saved_model, tflite, onnx, openvino_ir. model_source.py describes a file before
an engine reads it; detect.py detects the format; describe.py lists inputs, outputs and ops without running
anything. graph_function.py, rewrite.py and runtime.py make a TensorFlow function from a file, and import TensorFlow on
demand.
"""

from .describe import describe, list_nodes
from .detect import detect
from .graph_function import OpenedModel, open_model
from .model_source import (
    FORMATS,
    SUFFIXES,
    FileFacts,
    GraphNode,
    Kind,
    ModelSource,
    Quantize,
    TensorFacts,
    read_file,
    short_name,
)  # fmt: skip
from .onnx import onnx_facts, read_onnx
from .openvino_ir import read_openvino
from .runtime import load_tensorflow
from .tfjs import read_weights
from .tflite import read_tflite, tflite_facts

__all__ = [
    "FORMATS",
    "SUFFIXES",
    "FileFacts",
    "GraphNode",
    "Kind",
    "ModelSource",
    "OpenedModel",
    "Quantize",
    "TensorFacts",
    "describe",
    "detect",
    "list_nodes",
    "load_tensorflow",
    "onnx_facts",
    "open_model",
    "read_file",
    "read_onnx",
    "read_openvino",
    "read_tflite",
    "read_weights",
    "short_name",
    "tflite_facts",
]
