"""Read facts from OpenVINO files (.xml, with weights in .bin beside it).

Source: OpenVINO 2026.4, "OpenVINO IR format" in its documentation, and files that it wrote.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from ..errors import ModelFileError
from .model_source import FileFacts, GraphNode, TensorFacts, read_file

__all__ = ["openvino_nodes", "read_openvino"]

_DTYPES: Final = {"FP32": "float32", "FP16": "float16", "I8": "int8", "U8": "uint8", "I32": "int32", "I64": "int64"}


def read_openvino(path: Path) -> FileFacts:
    """Inputs, outputs and ops of an .xml file. Raises ModelFileError if it is none, or damaged."""
    data = read_file(path)
    try:
        if b"<!" in data:  # declarations can make a small file huge; OpenVINO writes none
            raise ValueError("it contains XML declarations")
        layers = list(ElementTree.fromstring(data).iterfind("layers/layer"))
        inputs, outputs = (
            tuple(_tensor(layer, side) for layer in layers if layer.get("type") == kind)
            for kind, side in (("Parameter", "output"), ("Result", "input"))
        )
    except (ElementTree.ParseError, ValueError) as err:
        raise ModelFileError(f"The file {str(path)!r} is not an OpenVINO model, or is damaged: {err}.") from err
    if not inputs or not outputs:
        raise ModelFileError(f"The file {str(path)!r} is not an OpenVINO model: it declares no inputs or no outputs.")
    kinds = Counter(layer.get("type", "") for layer in layers)
    return FileFacts(
        inputs, outputs, Counter({kind: n for kind, n in kinds.items() if kind not in ("Const", "Result")})
    )


def openvino_nodes(path: Path) -> tuple[list[GraphNode], list[str]]:
    """Return a checked file's ops without constants, and the ids of its inputs; an op has the id of its layer."""
    read_openvino(path)
    network = ElementTree.fromstring(read_file(path))
    sources: dict[str, list[str]] = {}
    for edge in network.iterfind("edges/edge"):
        sources.setdefault(edge.get("to-layer", ""), []).append(edge.get("from-layer", ""))
    nodes, inputs = [], []
    for layer in network.iterfind("layers/layer"):
        kind, name = layer.get("type", ""), layer.get("id", "")
        if kind == "Parameter":
            inputs.append(name)
        elif kind not in ("Const", "Result"):
            nodes.append(GraphNode(kind, tuple(sources.get(name, ())), (name,)))
    return nodes, inputs


def _tensor(layer: ElementTree.Element, side: str) -> TensorFacts:
    port = layer.find(f"{side}/port")
    if port is None:
        raise ValueError(f"the layer {layer.get('name')!r} has no {side}")
    names = port.get("names") or layer.get("output_names") or layer.get("name") or ""
    sides = [int(dim.text or "") for dim in port.iterfind("dim")]
    shape = tuple(None if side < 0 else side for side in sides)
    return TensorFacts(min(names.split(",")), _DTYPES.get(port.get("precision", ""), "unknown"), shape)
