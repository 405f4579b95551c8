"""`bodyseg bench engines`: the network alone, by engine and input size."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Column, Table

from ..engines import Engine, open_engine
from ..errors import BodysegError, SettingsError
from ..formats import ModelSource, detect
from ..model import open_model
from ..networks import Network
from ..plan import make_plan
from ..plugins import load_plugin, plugin_names
from ..settings import Settings
from ..types import Frame
from .options import takes_parameters

__all__ = ["bench_engines"]

_WARM_UP: Final = 3


@dataclass(frozen=True)
class _Row:
    """What one engine took for one input size. first_ms: from opening the file to the first answer."""

    engine: str
    device: str
    file: str
    frame: str
    input: str
    first_ms: float
    median_ms: float
    p95_ms: float
    ratio: float


@takes_parameters("model", "network", "engine")
def bench_engines(
    values: dict[str, Any],
    sizes: Annotated[
        str, typer.Option(help="Frames' sizes, px; the network's input follows from them.")
    ] = "640x480,1280x960",
    engines: Annotated[str, typer.Option(help="Engines to time, with commas; all that run the model if empty.")] = "",
    also: Annotated[
        list[Path], typer.Option(help="The same network in another format, for engines that need it; may be repeated.")
    ] = [],  # noqa: B006 - typer reads it, nobody changes it
    runs: Annotated[int, typer.Option(min=3, help="Rounds; each measures every engine once.")] = 30,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Time the bare network by engine and input size.

    Every round measures each engine once, so that a machine that slows down slows all of them. Medians are shown,
    and their ratio to the fastest; first ms is from opening the file to the first answer.
    Example: bodyseg bench engines --model bodyseg-mobilenet-050 --threads 2
    """
    names = [name.strip() for name in engines.split(",") if name.strip()] or _automatic()
    frames = [_frame(text) for text in sizes.split(",")]
    opener = _Opener(names, also)
    network = open_model(make_plan(values | {"engine": "auto"}, Settings), open_engine=opener).network
    try:
        rows = [row for frame in frames for row in _timed(network, opener, frame, runs)]
    finally:
        for engine, _ in opener.opened.values():
            engine.close()
    if as_json:
        typer.echo(json.dumps({"rows": [asdict(row) for row in rows], "cannot": opener.failed}, indent=2))
        return
    console = Console()
    console.print(_table(rows, network.card.name))
    for name, reason in opener.failed.items():
        console.print(f"{name}: {reason}", markup=False, soft_wrap=True, highlight=False)


def _automatic() -> list[str]:
    """Every engine that `engine: auto` may take and that reads files."""
    plugins = {name: load_plugin("engines", name) for name in plugin_names("engines")}
    return [
        name for name, plugin in plugins.items() if "none" not in plugin.formats and plugin.speed(plugin.Settings()) > 0
    ]


def _frame(text: str) -> Frame:
    """Noise of a size written as WIDTHxHEIGHT."""
    width, _, height = text.strip().partition("x")
    if not (width.isdecimal() and height.isdecimal() and 0 < int(width) <= 8192 and 0 < int(height) <= 8192):
        raise SettingsError(f"--sizes holds {text!r}, but it must be WIDTHxHEIGHT from 1x1 to 8192x8192, with commas.")
    return Frame(np.random.default_rng(0).integers(0, 256, (int(height), int(width), 3), np.uint8))


class _Opener:
    """Opens every engine that runs one of the model's files; says of the others why they do not."""

    def __init__(self, names: list[str], also: list[Path]) -> None:
        self._names, self._also = names, also
        self.opened: dict[str, tuple[Engine, str]] = {}  # engine, and the name of the file it runs
        self.opening_ms: dict[str, float] = {}
        self.failed: dict[str, str] = {}

    def __call__(self, name: str, source: ModelSource, settings: Mapping[str, Settings], threads: int = 0) -> Engine:
        """The first engine that opens. Raises SettingsError if none does."""
        del name
        extra = [detect(path, source.output_stride) for path in self._also]
        more = [replace(file, outputs=source.outputs, input=source.input) for file in extra]
        source = replace(source, others=(*source.others, *more))
        for engine_name in self._names:
            self._open(engine_name, source, settings, threads)
        if not self.opened:
            raise SettingsError(f"None of these engines runs the model. {' '.join(self.failed.values())}")
        return next(iter(self.opened.values()))[0]

    def _open(self, name: str, source: ModelSource, settings: Mapping[str, Settings], threads: int) -> None:
        formats = load_plugin("engines", name).formats
        file = next((file for file in (source, *source.others) if file.format in formats), None)
        if file is None:
            self.failed[name] = f"It reads {', '.join(sorted(formats))}; name such a file of this network with --also."
            return
        try:
            began = time.perf_counter()
            self.opened[name] = open_engine(name, file, settings, threads), file.path.name
            self.opening_ms[name] = 1e3 * (time.perf_counter() - began)
        except BodysegError as err:
            self.failed[name] = str(err)

    def first_ms(self, name: str, tensor: NDArray[Any]) -> float | None:
        """Milliseconds from opening to the first answer; None, and the reason noted, where it cannot run."""
        engine = self.opened[name][0]
        try:
            first = _once(engine, tensor)
            for _ in range(_WARM_UP):
                _once(engine, tensor)
        except BodysegError as err:
            self.failed[name] = str(err)
            return None
        return self.opening_ms[name] + first


def _timed(network: Network, opener: _Opener, frame: Frame, runs: int) -> list[_Row]:
    tensor = network.prepare(frame).tensor
    tried = {name: opener.first_ms(name, tensor) for name in opener.opened}
    first = {name: milliseconds for name, milliseconds in tried.items() if milliseconds is not None}
    times: dict[str, list[float]] = {name: [] for name in first}
    for _ in track(range(runs), "rounds", console=Console(stderr=True), transient=True):
        for name, seconds in times.items():
            seconds.append(_once(opener.opened[name][0], tensor))
    medians = {name: float(np.median(seconds)) for name, seconds in times.items()}
    best = min(medians.values(), default=1.0)
    return [
        _Row(
            engine=name,
            device=opener.opened[name][0].device,
            file=opener.opened[name][1],
            frame=f"{frame.size[1]}×{frame.size[0]}",
            input="×".join(str(side) for side in tensor.shape[1:]),
            first_ms=first[name],
            median_ms=medians[name],
            p95_ms=float(np.percentile(times[name], 95)),
            ratio=medians[name] / best,
        )
        for name in sorted(medians, key=lambda name: medians[name])
    ]


def _once(engine: Engine, tensor: NDArray[Any]) -> float:
    """Milliseconds of one run."""
    began = time.perf_counter()
    engine.run(tensor)
    return 1e3 * (time.perf_counter() - began)


def _table(rows: list[_Row], title: str) -> Table:
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


def _caption(rows: list[_Row]) -> str:
    return "\n".join({f"{row.engine} on {row.device}": None for row in rows})
