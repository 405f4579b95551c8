"""`bodyseg bench`: time the network and every other step."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Column, Table

from ..lab.timing_frames import people_frames, read_numbers, read_sizes
from ..lab.timing_plot import plot_scaling
from ..media import open_source
from ..ros.timing_steps import STAGES, StepTimes, time_steps
from .model_loading import load_model, plan_model
from .parameter_flags import takes_parameters
from .reporting import shows_progress, track

__all__ = ["bench"]

#: A rule is drawn above these.
_SECTIONS: Final = ("decode mask", "total mask", "tracking")


@shows_progress
@takes_parameters("model", "network", "engine", "refinement")
def bench(
    photo: Annotated[str, typer.Argument(help="A photo of a person.")],
    values: dict[str, Any],
    sizes: Annotated[str, typer.Option(help="Frame sizes, WIDTHxHEIGHT px, comma-separated.")] = "640x480",
    people: Annotated[
        str,
        typer.Option(
            help="Numbers of people, comma-separated: copies of the photo's first person; '': the photo itself."
        ),
    ] = "",
    runs: Annotated[int, typer.Option(min=3, help="Rounds; each measures every stage once.")] = 30,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write all results to this file.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Also plot time against pixels and people to this file.")] = None,
) -> None:
    """Time the bare network and every other stage in one run.

    Every round measures each stage once, so a machine that slows down slows all of them. Prints medians, 95th and 99th
    percentiles, CPU time of all threads, and the ratio of the medians to the bare network.
    Example: bodyseg bench photo.jpg --sizes 320x240,640x480,1280x720,1920x1080 --people 0,1,2,5,10 --plot bench.png
    """
    console, measured = Console(), list[StepTimes]()
    asked, counts = read_sizes(sizes, "--sizes"), read_numbers(people, "--people")
    with open_source(photo) as source, load_model(plan_model(values)) as model:
        for pasted, frame in people_frames(model, next(iter(source)).image, asked, counts):
            measured.append(time_steps(model, frame, pasted, runs, track))
            console.print(_table(measured[-1], model.network.card.name))
    if json_file:
        json_file.write_text(json.dumps([asdict(one) for one in measured], indent=2), encoding="utf-8")
    if plot:
        plot_scaling([_point(one) for one in measured], STAGES, plot)


def _point(measured: StepTimes) -> tuple[tuple[int, int], int, dict[str, float]]:
    """Return (width, height), people, ms by step."""
    people = measured.people if measured.pasted is None else measured.pasted
    return (measured.width, measured.height), people, {line.stage: line.p50_ms for line in measured.stages}


def _table(measured: StepTimes, model: str) -> Table:
    title = f"{model}: {measured.width}×{measured.height}, {measured.people} people, {measured.device}"
    total = next(line for line in measured.stages if line.stage == "total + everyone")
    caption = f"everything for everyone: {1e3 / total.p50_ms:.1f} frames/s; {measured.resident_mb:.0f} MB resident"
    figures = [Column(name, justify="right") for name in ("p50 ms", "p95 ms", "p99 ms", "CPU ms", "ratio to bare")]
    table = Table("stage", *figures, title=title, caption=caption)
    for line in measured.stages:
        if line.stage in _SECTIONS:
            table.add_section()
        times = (line.p50_ms, line.p95_ms, line.p99_ms, line.cpu_ms, line.ratio)
        table.add_row(line.stage, *(f"{value:.2f}" for value in times))
    return table
