"""`bodyseg bench engines`: time the network alone, by engine and input size."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table

from ..lab.timing_engines import EngineOpener, EngineTimes, automatic_engines, time_engines
from ..lab.timing_frames import noise, read_sizes
from ..model import open_model
from ..plan import make_plan
from ..settings import Settings
from .native_noise import hold_native_noise
from .parameter_flags import takes_parameters
from .reporting import AsJson, print_json, shows_progress, track

__all__ = ["bench_engines"]


@shows_progress
@takes_parameters("model", "network", "engine")
def bench_engines(
    values: dict[str, Any],
    sizes: Annotated[
        str, typer.Option(help="Frame sizes, px; they determine the network's input size.")
    ] = "640x480,1280x960",
    engines: Annotated[str, typer.Option(help="Engines to time, comma-separated; '': all that run the model.")] = "",
    also: Annotated[
        list[Path], typer.Option(help="The same network in another format, for other engines; repeatable.")
    ] = [],  # noqa: B006 - typer reads it, nobody changes it
    runs: Annotated[int, typer.Option(min=3, help="Rounds; each measures every engine once.")] = 30,
    as_json: AsJson = False,
) -> None:
    """Time the bare network by engine and input size.

    Every round measures each engine once, so that a machine that slows down slows all of them. Medians are shown,
    and their ratio to the fastest; first ms is from opening the file to the first answer.
    Example: bodyseg bench engines --model bodyseg-mobilenet-075 --threads 2
    """
    names = [name.strip() for name in engines.split(",") if name.strip()] or automatic_engines()
    frames = [noise(*size) for size in read_sizes(sizes, "--sizes")]
    opener = EngineOpener(names, also)
    try:
        with hold_native_noise():
            network = open_model(make_plan(values | {"engine": "auto"}, Settings), open_engine=opener).network
        rows = [row for frame in frames for row in time_engines(network, opener, frame, runs, track)]
    finally:
        opener.close()
    if as_json:
        print_json({"rows": [asdict(row) for row in rows], "cannot": opener.failed})
        return
    console = Console()
    console.print(_table(rows, network.card.name))
    for name, reason in opener.failed.items():
        console.print(f"{name}: {reason}", markup=False, soft_wrap=True, highlight=False)


def _table(rows: list[EngineTimes], title: str) -> Table:
    figures = [Column(name, justify="right") for name in ("first ms", "median ms", "95 % ms", "ratio")]
    table = Table("frame", "input", "engine", "reads", *figures, title=title, caption=_caption(rows))
    for place, row in enumerate(rows):
        begins = place == 0 or rows[place - 1].frame != row.frame
        if begins:
            table.add_section()
        times = (f"{row.first_ms:.0f}", f"{row.median_ms:.2f}", f"{row.p95_ms:.2f}", f"{row.ratio:.2f}")
        size = (row.frame, row.input) if begins else ("", "")
        table.add_row(*size, row.engine, Path(row.file).suffix, *times)
    return table


def _caption(rows: list[EngineTimes]) -> str:
    return "\n".join({f"{row.engine} on {row.device}": None for row in rows})
