"""`bodyseg export`: write a trained network as files for engines, each checked against its source."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from ..errors import SettingsError
from ..formats.model_source import Quantize
from ..lab.portrait_config import PortraitRun
from ..media import open_source
from .model_loading import read_input_size
from .reporting import AsJson, print_json, progress_console, shows_progress
from .train import need_keras

__all__ = ["export"]

_PHOTOS: Final = 32


@shows_progress
def export(
    source: Annotated[
        Path, typer.Argument(help="A run's folder or YAML, its checkpoint.npz, or a published model.json.")
    ],
    to: Annotated[Literal["tfjs", "tflite", "onnx", "saved_model", "edgetpu"], typer.Option(help="Format.")] = "tfjs",
    quantize: Annotated[
        Literal["auto", "none", "float16", "int8"],
        typer.Option(
            help="Weight format; tfjs: none, float16; tflite: all; edgetpu: int8; others: none. auto: int8 for "
            "edgetpu, else none."
        ),
    ] = "auto",
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the files.")] = Path("export"),
    stride: Annotated[
        list[int] | None, typer.Option(help="Output stride, 8, 16 or 32; repeatable. Default: 16, tfjs: 16, 8.")
    ] = None,
    input_size: Annotated[
        str, typer.Option(help="Size of the input of edgetpu files, WIDTHxHEIGHT; multiples of the stride plus 1.")
    ] = "321x241",
    photos: Annotated[
        str,
        typer.Option(
            help=f"Photos for the check and, for int8, the calibration ({_PHOTOS} at most); '': those that the run "
            "held out."
        ),
    ] = "",
    threshold: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Person score to shift to 0.7; 0: the best one on the photos that the run held out; no shift for a "
            "published model.",
        ),
    ] = 0.0,
    config: Annotated[Path | None, typer.Option(help="The run's YAML, if not beside the checkpoint.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write a trained network as tfjs GraphModel, tflite, ONNX or SavedModel, and check each file.

    Runs every file on photos and compares it with the original network; too large a difference gives exit status 1.
    Shifts the person score so that BodyPix's threshold of 0.7 is optimal. edgetpu: for Coral, by Google's compiler.
    Example: bodyseg export run --to tflite --quantize int8 --out my_model
    """
    need_keras()
    from ..lab import export as training
    from ..lab.edgetpu import compile_for_edgetpu, require_compiler
    from ..lab.portrait_export import check_portrait_form, open_portrait
    from ..lab.trainer import held_out_samples
    from ..lab.validation import THRESHOLD

    precision = ("int8" if to == "edgetpu" else "none") if quantize == "auto" else quantize
    portrait = open_portrait(source, config)
    if portrait is not None:
        if stride or threshold:
            raise SettingsError("A portrait network has no --stride, and its --threshold stays 0.5: leave them out.")
        check_portrait_form(to, precision)
        _export_portrait(*portrait, to, precision, out, photos, as_json)
        return
    training.check_offered(to, precision)
    strides, size = stride or ([16, 8] if to == "tfjs" else [16]), None
    if to == "edgetpu":
        require_compiler()
        size = read_input_size(input_size)
        training.check_size(size, strides)
    if not photos:
        training.check_photos(source, config)
    network = training.open_exportable(source, config)
    images = _photos(photos) if photos else []
    if network.settings is not None and not (images and threshold):
        held_out = held_out_samples(network.settings)
        images = images or [sample.image for sample in held_out[:: max(1, len(held_out) // _PHOTOS)][:_PHOTOS]]
        if held_out and not threshold:
            with progress_console.status(f"finding the best threshold on {len(held_out)} photos …"):
                threshold = network.best_threshold(held_out)
    if threshold:
        progress_console.print(f"Person score {threshold:.3f} becomes {THRESHOLD}.")
        network = network.shifted(threshold)
    with progress_console.status(f"writing {to} and comparing it on {len(images)} photos …"):
        files = list(training.export(network, out, to, precision, images, strides, size))
        compiled = [compile_for_edgetpu(file.path) for file in files] if to == "edgetpu" else []
    if as_json:
        written = [asdict(file) | {"path": str(file.path)} for file in files]
        for one, facts in zip(compiled, written, strict=False):
            facts["compiled"] = asdict(one) | {"path": str(one.path)}
        print_json(written)
        return
    table = Table("file", "MB", "differs by, of a head's range", "of a probability", "mask IoU", "parts", "PCK")
    for file in files:
        figures = f"{file.differs:.2g}", f"{file.scores_differ:.2g}", f"{file.mask_iou:.4f}"
        results = f"{file.parts_alike:.3f}", f"{file.keypoints_found:.3f}"
        table.add_row(file.path.name, f"{file.size / 1e6:.2f}", *figures, *results)
    table.title = f"checked against the source on {len(images)} photos"
    console = Console()
    console.print(table)
    for one in compiled:
        where = f": {one.on_edgetpu} operations on the Edge TPU, {one.on_cpu or 0} on the CPU" if one.on_edgetpu else ""
        console.print(f"Compiled: {one.path.name}{where}.", highlight=False, soft_wrap=True)


def _export_portrait(
    run: PortraitRun, network: Any, form: Any, precision: Quantize, out: Path, photos: str, as_json: bool
) -> None:
    """Write one file of a portrait network and its card."""
    from ..lab.portrait_export import export_portrait
    from ..lab.portrait_trainer import held_out_portraits

    images = _photos(photos) if photos else [one.image for one in held_out_portraits(run)[:_PHOTOS]]
    with progress_console.status(f"writing {form} and comparing it on {len(images)} photos …"):
        file = export_portrait(run, network, out, form, precision, images)
    if as_json:
        print_json([asdict(file) | {"path": str(file.path), "card": str(file.card)}])
        return
    table = Table("file", "card", "MB", "mask IoU", title=f"checked against the source on {len(images)} photos")
    table.add_row(file.path.name, file.card.name, f"{file.size / 1e6:.2f}", f"{file.mask_iou:.4f}")
    Console().print(table)


def _photos(text: str) -> list[NDArray[np.uint8]]:
    with open_source(text) as source:
        return [frame.image for frame, _ in zip(source, range(_PHOTOS), strict=False)]
