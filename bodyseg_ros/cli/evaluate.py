"""`bodyseg eval`: measure models on labeled photos, and against each other."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from ..errors import MediaError, SettingsError
from ..lab.evaluation import Tally
from ..lab.keypoint_ap import keypoint_ap
from ..lab.labeled import Labeled, labeled_photos
from ..lab.photo_folders import is_held_out
from ..model import Model
from ..parameter_files import parse_value
from ..privacy import NEEDED, Hider, LiveHidingSettings
from ..ros.nodes.node_settings import PrivacySettings
from ..types import Frame, Poses, Result, Wanted
from .model_loading import load_model, plan_model
from .parameter_flags import takes_parameters
from .reporting import shows_progress, track

__all__ = ["evaluate"]

_WANTED: Final = Wanted.PERSON | Wanted.PARTS | Wanted.POSES | Wanted.INSTANCES
_CHOICE: Final = "a card's name or a path, then commas and parameters: bodypix-mobilenet-075,output_stride=8"


@shows_progress
@takes_parameters("model", "network", "engine", "refinement", "second", own=("model", "model_path"))
def evaluate(
    folder: Annotated[
        Path,
        typer.Argument(
            help="Folder with photos/ and masks/ of the same names, or COCO's images/ with its JSON or panoptic/."
        ),
    ],
    values: dict[str, Any],
    model: Annotated[list[str] | None, typer.Option(help=f"A model; repeatable. {_CHOICE}.")] = None,
    model_path: Annotated[list[Path] | None, typer.Option(help="A model file; repeatable.")] = None,
    against: Annotated[str, typer.Option(help="Model to compare parts and keypoints with, as --model.")] = "",
    long_side: Annotated[
        int, typer.Option(min=0, help="Long side of the network input, px; 0: from internal_resolution.")
    ] = 513,
    held_out: Annotated[
        float,
        typer.Option(min=0, max=1, help="Use only the photos that a training run with this held_out validates on."),
    ] = 1.0,
    worst: Annotated[int, typer.Option(min=0, help="Also list each model's worst photos, this many.")] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write all results to this file.")] = None,
    plots: Annotated[Path | None, typer.Option(help="Also write plots and annotated photos to this folder.")] = None,
    privacy: Annotated[
        bool, typer.Option("--privacy", help="Print only what the node privacy_camera would leave uncovered.")
    ] = False,
) -> None:
    """Measure models on labeled photos, and against each other, in one table.

    Person masks against the labels: IoU of all pixels together and mean of the photos with people, boundary F-score
    within 1 % of the diagonal, share of false person pixels on photos without people. Against another model: share of
    pixels with the same part where both find one, mean IoU of the parts, share of its confident keypoints found within
    a tenth of the person's size (PCK). COCO keypoint AP if the labels have keypoints.
    Panoptic quality (PQ) if the labels tell people apart. Below each figure: its 95 % interval over photos (bootstrap),
    and with two models that of their difference on the same draws.

    With --privacy: the share of person pixels, and of whole people, that the node privacy_camera would leave uncovered,
    with its own defaults unless a model names another parameter.

    Example: bodyseg eval my_photos --model bodypix-mobilenet-050 --against bodypix-mobilenet-075,output_stride=8
    """
    photos = [one for one in labeled_photos(folder) if is_held_out(one.photo, held_out)]
    if not photos:
        raise MediaError(f"No photo of {str(folder)!r} is held out by a share of {held_out!r}.")
    choices = [*(model or []), *(str(path.absolute()) for path in model_path or [])] or ["auto"]
    names = [Path(choice).name if "/" in choice else choice for choice in choices]
    if len(set(names)) < len(names):
        names = choices
    if privacy:
        _measure_privacy(dict(zip(names, choices, strict=True)), values, photos, folder.name)
        return
    with ExitStack() as stack:
        models = {name: stack.enter_context(_load(choice, values)) for name, choice in zip(names, choices, strict=True)}
        reference = stack.enter_context(_load(against, values)) if against else None
        tallies = _measure(models, reference, photos, long_side)
    _print(tallies, f"{len(photos)} photos of {folder.name}" + (f", against {against}" if against else ""), worst)
    if json_file:
        _write(json_file, tallies)
    if plots:
        from ..lab.evaluation_plots import draw

        draw(tallies, plots)


def _measure_privacy(
    choices: Mapping[str, str], values: Mapping[str, Any], photos: Sequence[Labeled], title: str
) -> None:
    """Print what remains uncovered with each model's masks."""
    from ..lab.uncovered import LARGE_PX, Uncovered

    # Each photo by itself, without frames before or after.
    node = PrivacySettings(hold_frames=0, max_gap=0.0)
    own = {name: getattr(node, name) for name in ("segmentation_threshold", "internal_resolution")}
    margin_px = node.margin_px
    table = Table("", title=f"{len(photos)} photos of {title}, covered with a margin of {margin_px} px")
    counts = {name: Uncovered() for name in choices}
    with ExitStack() as stack:
        models = {name: stack.enter_context(_load(c, own | dict(values))) for name, c in choices.items()}
        for labeled in track(photos, "photos"):
            image, truth = labeled.read()
            people = labeled.people() if labeled.people else None
            for name, model in models.items():
                counts[name].add(_covered(model, image, node), truth, people)
    for name in counts:
        table.add_column(name, overflow="fold", justify="right")
    every = counts.values()
    table.add_row("person pixels uncovered", *(f"{one.uncovered:.3f}" for one in every))
    table.add_row("people wholly uncovered", *(f"{one.missed} of {one.people}" for one in every))
    table.add_row(f"large ones ({LARGE_PX} px)", *(f"{one.large_missed} of {one.large}" for one in every))
    table.add_row("other pixels covered", *(f"{one.covered_rest:.3f}" for one in every))
    Console().print(table)


def _covered(model: Model, image: NDArray[np.uint8], settings: LiveHidingSettings) -> NDArray[np.bool_]:
    """Return where the node privacy_camera would paint over an image (H, W, 3): (H, W) bool."""
    hider = Hider(settings)
    hider.look(Frame(image), model.segment(image, NEEDED), time_ns=0)
    hidden = hider.hide()
    assert hidden is not None and hidden[1].person is not None  # nothing is delayed, and the mask is what it covered
    return np.equal(hidden[1].person, 1)


def _load(choice: str, values: Mapping[str, Any]) -> Model:
    """Parse a model's name or path with its own parameters, which override the common ones."""
    name, *own = choice.split(",")
    is_file = "/" in name or Path(name).is_file()
    chosen = dict(values) | {"model_path" if is_file else "model": name}
    for text in own:
        parameter, equals, value = text.partition("=")
        if not equals:
            raise SettingsError(f"A model is {choice!r}, but it must be {_CHOICE}.")
        chosen[parameter.strip().replace("-", "_")] = parse_value(value)
    return load_model(plan_model(chosen))


def _measure(
    models: Mapping[str, Model], reference: Model | None, photos: Sequence[Labeled], long_side: int
) -> dict[str, Tally]:
    """Evaluate every model on every photo."""
    tallies = {name: Tally() for name in models}
    poses: dict[str, dict[Path, dict[int, Poses]]] = {name: {} for name in models}
    for labeled in track(photos, "photos"):
        image, truth = labeled.read()
        theirs = _seen(reference, image, long_side) if reference else None
        for name, pipeline in models.items():
            result = _seen(pipeline, image, long_side)
            people = labeled.people() if labeled.people else None
            tallies[name].add(labeled.photo.name, result, truth, theirs, people)
            if labeled.keypoints and result.poses is not None:
                annotations, number = labeled.keypoints
                poses[name].setdefault(annotations, {})[number] = result.poses
    for name, files in poses.items():
        for annotations, found in files.items():
            tallies[name].average_precision = keypoint_ap(annotations, found)
    return tallies


def _seen(pipeline: Model, image: Any, long_side: int) -> Result:
    if long_side and "internal_resolution" in type(pipeline.network.settings).model_fields:
        fraction = long_side / max(image.shape[:2])
        pipeline.configure(internal_resolution=min(max(fraction, 0.1), 2.0))
    return pipeline.run(Frame(image), _WANTED & pipeline.offers)


def _print(tallies: Mapping[str, Tally], title: str, worst: int) -> None:
    """Print one column per model; figures that no model has are left out."""
    figures = {name: tally.figures for name, tally in tallies.items()}
    shown = [key for key in next(iter(figures.values())) if any(not math.isnan(row[key]) for row in figures.values())]
    table = Table("", title=title)
    for name in figures:
        table.add_column(name, overflow="fold", justify="right")
    intervals = [tally.intervals for tally in tallies.values()]
    differences: dict[str, tuple[float, float]] = {}
    if len(tallies) == 2:
        first, second = tallies.values()
        differences = first.differences(second)
        table.add_column("difference", justify="right")
    for key in shown:
        cells = [_cell(row[key], own.get(key)) for row, own in zip(figures.values(), intervals, strict=True)]
        if len(tallies) == 2:
            left, right = (row[key] for row in figures.values())
            cells.append(_cell(left - right, differences.get(key), sign="+"))
        table.add_row(key, *cells)
    console = Console()
    console.print(table)
    for name, tally in tallies.items():
        for photo, figure in sorted(tally.ious.items(), key=lambda item: item[1])[:worst]:
            console.print(f"{name}: {photo} {figure:.3f}", highlight=False)


def _cell(figure: float, interval: tuple[float, float] | None, sign: str = "") -> str:
    """Format a figure with its interval below."""
    if math.isnan(figure):
        return "–"
    below = f"\n[dim]{interval[0]:{sign}.3f} to {interval[1]:{sign}.3f}[/dim]" if interval else ""
    return f"{figure:{sign}.3f}{below}"


def _write(path: Path, tallies: Mapping[str, Tally]) -> None:
    """All figures as JSON; NaN becomes null."""

    def plain(figures: Mapping[str, float]) -> dict[str, float | None]:
        return {key: None if math.isnan(figure) else round(figure, 6) for key, figure in figures.items()}

    content = {
        name: {
            "figures": plain(tally.figures),
            "intervals": {key: [round(low, 6), round(high, 6)] for key, (low, high) in tally.intervals.items()},
            "parts": plain(tally.part_ious),
            "photos": plain(tally.ious),
        }
        for name, tally in tallies.items()
    }
    try:
        path.write_text(json.dumps(content, indent=1), encoding="utf-8")
    except OSError as err:
        raise MediaError(f"The results cannot be written to {str(path)!r}: {err.strerror}.") from err
