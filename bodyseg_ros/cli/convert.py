"""`bodyseg models convert`: convert a card's network to another format and compare it with the original."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final

import cv2
import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from ..catalog import choose_card, converted_file, find_model
from ..engines import open_engine
from ..errors import SettingsError
from ..formats import Kind, ModelSource, Quantize, detect, short_name
from ..formats.graph_function import open_model
from ..formats.runtime import load_tensorflow
from ..lab.conversion import convert_model
from ..media import open_source
from ..networks import Network
from ..plugins import load_plugin
from ..settings import ModelSettings, Size, build
from ..types import Frame, Prepared, Result, Wanted
from .model_loading import DownloadBar, read_input_size, sample_photo
from .native_noise import hold_native_noise
from .reporting import AsJson, print_json, progress_console, shows_progress

__all__ = ["convert"]

_DEFAULTS: Final = ModelSettings()
#: Maximum number of calibration photos; more do not help.
_MOST_PHOTOS: Final = 100
#: Side of the random image on which parts of a graph are compared, px, if it is open.
_PROBE_PX: Final = 257
Outputs = dict[str, NDArray[Any]]


@shows_progress
def convert(
    name: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="Name of a model, as `bodyseg models list` shows it, or a model file."),
    ],
    to: Annotated[Kind, typer.Option(help="Format to write; tfjs: a graph model.")],
    quantize: Annotated[
        Quantize,
        typer.Option(
            help="tflite and tfjs. dynamic: 8-bit weights; float16: 16-bit weights; int8 (tflite): 8-bit arithmetic."
        ),
    ] = "none",
    calibration: Annotated[
        Path | None, typer.Option(help="For int8: a folder of representative photos; 100 are enough.")
    ] = None,
    output_stride: Annotated[
        int, typer.Option(help="Network px per output cell: 8, 16 or 32; smaller is finer and slower.")
    ] = _DEFAULTS.output_stride,
    quant_bytes: Annotated[
        int, typer.Option(help="Bytes per weight of the original: 4 is exact.")
    ] = _DEFAULTS.quant_bytes,
    input_tensor: Annotated[
        str,
        typer.Option(
            "--input", metavar="TENSOR", help="Tensor to start at, such as behind a graph's own preprocessing."
        ),
    ] = "",
    output_tensors: Annotated[
        list[str] | None, typer.Option("--output", metavar="TENSOR", help="Tensor to end at; repeatable.")
    ] = None,
    input_size: Annotated[
        str, typer.Option(metavar="WIDTHxHEIGHT", help="Fixed size of the written network's input, px.")
    ] = "",
    photo: Annotated[str, typer.Option(help="Photo to compare both on; '': matplotlib's sample portrait.")] = "",
    as_json: AsJson = False,
) -> None:
    """Convert a model to another format in the cache, and print how far its outputs differ.

    Reads tfjs models, frozen graphs and SavedModels. BodyPix, PoseNet and DeepLab convert to all formats; other
    networks if TensorFlow's converter supports them. Engines find tflite and ONNX files written without options by
    themselves, LiteRT before TensorFlow. Select any other file with --model-path.

    Example: bodyseg models convert bodypix-mobilenet-050 --to tflite
    """
    size = read_input_size(input_size) if input_size else None
    named: dict[str, Any] = {"model_path" if "/" in name or Path(name).exists() else "model": name}
    settings = build(ModelSettings, named | {"output_stride": output_stride, "quant_bytes": quant_bytes})
    if input_tensor or output_tensors:
        _convert_part(settings, to, quantize, input_tensor, output_tensors or [], size, as_json)
        return
    with DownloadBar() as bar:
        card, source = find_model(choose_card(settings), settings, bar)
    if source.format == "none":
        raise SettingsError(f"The model {name!r} has no files, so there is nothing to convert.")
    source = replace(source, others=())  # an earlier conversion is not the original
    network_class = load_plugin("networks", card.network)
    network: Network = network_class(card, network_class.Settings(), output_stride)
    frame = _first_frame(photo or sample_photo())
    with progress_console.status(f"{source.path.name} to {to} …"), hold_native_noise():
        path = converted_file(source, to, quantize, input_size)
        tensors = _tensors(network, calibration) if calibration else ()
        made = convert_model(source, to, path, quantize, tensors, fixed_size=size)
        prepared = network.prepare(frame)
        original, ours = _run(source, prepared.tensor), _run(made, prepared.tensor)
    _report(path, original, ours, _decoded(network, prepared, original, ours), as_json)
    if as_json:
        return
    if quantize == "none" and not size and to in ("tflite", "onnx"):
        typer.echo(f"Engines take it from now on: bodyseg run photo.jpg {_flags(settings)}")
    else:
        typer.echo(f"To run it: bodyseg run photo.jpg --model {card.name} --model-path {path}")


def _flags(settings: ModelSettings) -> str:
    return f"--model-path {settings.model_path}" if settings.model_path else f"--model {settings.model}"


def _convert_part(
    settings: ModelSettings,
    to: Kind,
    quantize: Quantize,
    input_tensor: str,
    output_tensors: list[str],
    size: Size | None,
    as_json: bool,
) -> None:
    """Convert the network between two tensors of a graph, and compare both on random numbers from -1 to 1."""
    if quantize == "int8":
        raise SettingsError(
            "--quantize is 'int8', but it needs photos: it cannot be combined with --input or --output."
        )
    if settings.model_path:
        source = detect(Path(settings.model_path), settings.output_stride)
    else:
        with DownloadBar() as bar:
            _, source = find_model(choose_card(settings), settings, bar)
    names = {short_name(tensor): tensor for tensor in output_tensors} or source.outputs
    source = replace(source, input=input_tensor or source.input, outputs=names, others=())
    label = "-".join([*names, *([f"{size.width}x{size.height}"] if size else [])])
    path = converted_file(source, to, quantize, label)
    with progress_console.status(f"{source.path.name} to {to} …"), hold_native_noise():
        opened = open_model(source, cut_input=True, fixed_size=size)
        shape = [side or default for side, default in zip(opened.shape, (1, _PROBE_PX, _PROBE_PX, 3), strict=True)]
        tensor = np.random.default_rng(0).uniform(-1, 1, shape).astype(opened.dtype)
        original = {
            name: np.asarray(value) for name, value in opened.function(load_tensorflow().constant(tensor)).items()
        }
        made = convert_model(source, to, path, quantize, fixed_size=size, cut_input=True)
        ours = _run(made, tensor)
    _report(path, original, ours, [], as_json)


def _report(path: Path, original: Outputs, ours: Outputs, results: list[str], as_json: bool) -> None:
    if as_json:
        print_json({"path": str(path), "outputs": _differences(original, ours)})
        return
    console = Console(soft_wrap=True)
    console.print(_compared(original, ours))
    for line in [*results, f"Written: {path}, {_megabytes(path):.2f} MB"]:
        console.print(line, highlight=False)


def _megabytes(path: Path) -> float:
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files) / 1e6


def _first_frame(photo: str) -> Frame:
    with open_source(photo) as source:
        return next(iter(source))


def _tensors(network: Network, folder: Path) -> list[NDArray[Any]]:
    """Photos as the network takes them, all of the first one's size."""
    tensors: list[NDArray[Any]] = []
    with open_source(str(folder)) as source:
        size: tuple[int, int] | None = None
        for frame in source:
            size = size or (frame.size[1], frame.size[0])
            resized = np.asarray(cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA), np.uint8)
            tensors.append(network.prepare(Frame(resized)).tensor)
            if len(tensors) == _MOST_PHOTOS:
                break
    return tensors


def _run(source: ModelSource, tensor: NDArray[Any]) -> Outputs:
    engine = open_engine("auto", source, {})
    try:
        return {name: np.array(array, np.float32) for name, array in engine.run(tensor).items()}
    finally:
        engine.close()


def _differences(original: Outputs, ours: Outputs) -> dict[str, dict[str, float]]:
    """Range of each output, and the largest difference from it."""
    return {
        name: {"range": float(np.ptp(values)), "largest_difference": float(np.abs(ours[name] - values).max())}
        for name, values in original.items()
    }


def _compared(original: Outputs, ours: Outputs) -> Table:
    table = Table("Output", "Range", "Largest difference", "Share of the range")
    for name, figures in _differences(original, ours).items():
        span, difference = figures["range"], figures["largest_difference"]
        table.add_row(name, f"{span:.4g}", f"{difference:.2g}", f"{100 * difference / span:.2g} %" if span else "–")
    return table


def _decoded(network: Network, prepared: Prepared, original: Outputs, ours: Outputs) -> list[str]:
    """What the difference means for people."""
    wanted = network.offers & (Wanted.PERSON | Wanted.POSES)
    before, after = (network.decode(outputs, prepared, wanted) for outputs in (original, ours))
    return [line for line in (_masks(before, after), _poses(before, after)) if line]


def _masks(before: Result, after: Result) -> str:
    if before.person is None or after.person is None:
        return ""
    either = int(np.count_nonzero(before.person | after.person))
    both = int(np.count_nonzero(before.person & after.person))
    return f"Person masks: IoU {both / either:.4f}" if either else "Person masks: both empty"


def _poses(before: Result, after: Result) -> str:
    if before.poses is None or after.poses is None:
        return ""
    if len(before.poses) != len(after.poses) or not len(before.poses):
        return f"Poses: {len(before.poses)} and {len(after.poses)}"
    moved = np.hypot(*np.moveaxis(before.poses.keypoints - after.poses.keypoints, -1, 0))
    return f"Poses: {len(before.poses)}, keypoints at most {float(moved.max()):.2f} px apart"
