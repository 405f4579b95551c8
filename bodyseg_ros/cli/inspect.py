"""`bodyseg models inspect`: print what a model file contains, and which network it resembles."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from ..catalog import all_cards, model_files, recognize
from ..errors import ModelFileError
from ..formats import FileFacts, ModelSource, TensorFacts, describe, detect, list_nodes
from ..settings import ModelSettings
from .graph_picture import draw_graph
from .native_noise import hold_native_noise

__all__ = ["inspect"]


def inspect(
    file: Annotated[Path, typer.Argument(help="A model file, or its folder.")],
    output_stride: Annotated[
        int, typer.Option(help="Which model of a folder with one per stride: 8, 16 or 32.")
    ] = ModelSettings().output_stride,
    svg: Annotated[Path | None, typer.Option(metavar="FILE", help="Also draw the graph into this .svg file.")] = None,
) -> None:
    """Print a model file's inputs, outputs, operations and size, and the network it resembles, without running it.

    Example: bodyseg models inspect my_model.tflite
    """
    source = detect(file, output_stride)
    with hold_native_noise():  # TensorFlow's formats need TensorFlow to be read
        facts = describe(source)
        drawn = draw_graph(*list_nodes(source), source.path.name) if svg else ""
    rows = [("File", str(source.path)), ("Format", source.format), ("Size", _size(source))]
    rows += [("Network", _network(source))]
    rows += [("Input", _shown(tensor)) for tensor in facts.inputs]
    rows += [("Output", _shown(tensor)) for tensor in facts.outputs]
    for label, text in [*rows, ("Operations", _operations(facts))]:
        typer.echo(f"{label:<12}{text}")
    if svg:
        svg.write_text(drawn, encoding="utf-8")
        typer.echo(f"{'Drawn':<12}{svg}")


def _size(source: ModelSource) -> str:
    files = [path for path in source.path.rglob("*") if path.is_file()] or model_files(source.path)
    if source.format == "openvino":
        files += source.path.parent.glob(f"{source.path.stem}.bin")
    total = sum(path.stat().st_size for path in files)
    return f"{total:,} bytes in {len(files)} file{'s' * (len(files) != 1)}"


def _network(source: ModelSource) -> str:
    try:
        card = recognize(source.path, source.output_stride, all_cards())
    except ModelFileError as err:
        return str(err)
    return f"{card.network}: {card.title} ({card.name})"


def _shown(tensor: TensorFacts) -> str:
    """'sub_2: uint8 1×any×any×3, real value = (stored -128) · 0.0078125'."""
    shape = "×".join("any" if side is None else str(side) for side in tensor.shape) or "of unknown shape"
    text = f"{tensor.name}: {tensor.dtype} {shape}"
    return f"{text}, real value = (stored {-tensor.zero_point:+d}) · {tensor.scale:g}" if tensor.scale else text


def _operations(facts: FileFacts) -> str:
    return f"{sum(facts.ops.values())}: " + ", ".join(f"{count} {op}" for op, count in Counter(facts.ops).most_common())
