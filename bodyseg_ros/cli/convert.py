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
from ..formats import Kind, ModelSource, Quantize
from ..lab.conversion import convert_model
from ..media import open_source
from ..networks import Network
from ..plugins import load_plugin
from ..settings import ModelSettings, build
from ..types import Frame, Prepared, Result, Wanted
from .model_loading import DownloadBar, sample_photo
from .native_noise import hold_native_noise
from .reporting import AsJson, print_json, progress_console, shows_progress

__all__ = ["convert"]

_DEFAULTS: Final = ModelSettings()
#: Maximum number of calibration photos; more do not help.
_MOST_PHOTOS: Final = 100
Outputs = dict[str, NDArray[Any]]


@shows_progress
def convert(
    name: Annotated[str, typer.Argument(metavar="CARD", help="Name of a model, as `bodyseg models list` shows it.")],
    to: Annotated[Kind, typer.Option(help="Format to write.")],
    quantize: Annotated[
        Quantize,
        typer.Option(help="tflite only. dynamic: 8-bit weights; float16: 16-bit weights; int8: 8-bit arithmetic."),
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
    photo: Annotated[str, typer.Option(help="Photo to compare both on; '': matplotlib's sample portrait.")] = "",
    as_json: AsJson = False,
) -> None:
    """Convert a model to another format in the cache, and print how far its outputs differ.

    BodyPix and PoseNet convert to all three formats; other networks if TensorFlow's converter supports them. Engines
    find files written without --quantize by themselves, LiteRT before TensorFlow. Select a quantized file with
    --model-path.

    Example: bodyseg models convert bodypix-mobilenet-050 --to tflite
    """
    settings = build(ModelSettings, {"model": name, "output_stride": output_stride, "quant_bytes": quant_bytes})
    with DownloadBar() as bar:
        card, source = find_model(choose_card(settings), settings, bar)
    if source.format == "none":
        raise SettingsError(f"The model {name!r} has no files, so there is nothing to convert.")
    source = replace(source, others=())  # an earlier conversion is not the original
    network_class = load_plugin("networks", card.network)
    network: Network = network_class(card, network_class.Settings(), output_stride)
    frame = _first_frame(photo or sample_photo())
    with progress_console.status(f"{source.path.name} to {to} …"), hold_native_noise():
        path = converted_file(source, to, quantize)
        made = convert_model(source, to, path, quantize, _tensors(network, calibration) if calibration else ())
        prepared = network.prepare(frame)
        original, ours = _run(source, prepared), _run(made, prepared)
    if as_json:
        print_json({"path": str(path), "outputs": _differences(original, ours)})
        return
    console = Console(soft_wrap=True)
    console.print(_compared(original, ours))
    for line in _decoded(network, prepared, original, ours):
        console.print(line, highlight=False)
    console.print(f"Written: {path}", highlight=False)
    if quantize == "none" and to != "saved_model":
        console.print(f"Engines take it from now on: bodyseg run photo.jpg --model {name}", highlight=False)
    else:
        console.print(f"To run it: bodyseg run photo.jpg --model {name} --model-path {path}", highlight=False)


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


def _run(source: ModelSource, prepared: Prepared) -> Outputs:
    engine = open_engine("auto", source, {})
    try:
        return {name: np.array(array, np.float32) for name, array in engine.run(prepared.tensor).items()}
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
