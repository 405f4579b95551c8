"""`bodyseg bench`: where a frame's time goes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Column, Table

from ..effects import Effect, compose_all
from ..media import open_source
from ..model import Model
from ..plugins import load_plugin
from ..types import Frame, Wanted
from .bench_frames import frames_of, resident_mb
from .bench_plot import plot_scaling
from .loading import load_model
from .options import takes_parameters

__all__ = ["bench"]

_MASK: Final = Wanted.PERSON
_LEVELS: Final = {
    "mask": _MASK,
    "+ parts": _MASK | Wanted.PARTS,
    "+ poses": _MASK | Wanted.PARTS | Wanted.POSES,
    "+ everyone": _MASK | Wanted.PARTS | Wanted.POSES | Wanted.INSTANCES,
    "+ confidence": Wanted.EVERYTHING,
}
_BARE: Final = "bare network"
_SECTIONS: Final = ("decode mask", "total mask", "overlay")
_WARM_UP: Final = 3
Steps = dict[str, Callable[[], Any]]


@dataclass(frozen=True)
class Line:
    """What one stage took, ms per call. ratio: its median to the bare network's."""

    stage: str
    p50_ms: float
    p95_ms: float
    p99_ms: float
    cpu_ms: float
    ratio: float


@dataclass(frozen=True)
class Measured:
    """All stages on one frame. pasted: people put on it, None for the photo itself; people: as many as were seen.

    resident_mb: the process's memory afterwards.
    """

    width: int
    height: int
    pasted: int | None
    people: int
    device: str
    resident_mb: float
    lines: list[Line]


@takes_parameters("model", "network", "engine", "refinement")
def bench(
    photo: Annotated[str, typer.Argument(help="A photo with somebody on it.")],
    values: dict[str, Any],
    sizes: Annotated[str, typer.Option(help="Frames' sizes, WIDTHxHEIGHT px, with commas.")] = "640x480",
    people: Annotated[
        str, typer.Option(help="Numbers of people, with commas: the photo's first one, pasted so often; '': the photo.")
    ] = "",
    runs: Annotated[int, typer.Option(min=3, help="Rounds; each measures every line once.")] = 30,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write all figures to this file.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Also draw time against pixels and people to this file.")] = None,
) -> None:
    """Time the bare network and everything around it, in one run.

    Every round measures each line once, so that a machine that slows down slows all of them. Medians, 95th and 99th
    percentiles, CPU time of all threads, and the medians' ratio to the bare network.
    Example: bodyseg bench photo.jpg --sizes 320x240,640x480,1280x720,1920x1080 --people 0,1,2,5,10 --plot bench.png
    """
    console, measured = Console(), []
    with load_model(values) as model, open_source(photo) as source:
        for pasted, frame in frames_of(model, next(iter(source)).image, sizes, people):
            measured.append(_measured(model, frame, pasted, runs))
            console.print(_table(measured[-1], model.network.card.name))
    if json_file:
        json_file.write_text(json.dumps([asdict(one) for one in measured], indent=2), encoding="utf-8")
    if plot:
        stages = ["prepare", *(f"decode {name}" for name in _LEVELS)]
        plot_scaling([_point(one) for one in measured], stages, plot)


def _measured(model: Model, frame: Frame, pasted: int | None, runs: int) -> Measured:
    steps = _steps(model, frame) | _around(model, frame)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in steps}
    for _ in range(_WARM_UP):
        for step in steps.values():
            step()
    for _ in track(range(runs), "rounds", console=Console(stderr=True), transient=True):
        for name, step in steps.items():
            wall, cpu = time.perf_counter(), time.process_time()
            step()
            times[name].append((1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - cpu)))
    bare = float(np.median([wall for wall, _ in times[_BARE]]))
    lines = []
    for name, pairs in times.items():
        walls, cpus = np.transpose(pairs)
        p50, p95, p99 = (float(value) for value in np.percentile(walls, (50, 95, 99)))
        lines.append(Line(name, p50, p95, p99, float(cpus.mean()), p50 / bare))
    poses = model.run(frame, Wanted.POSES).poses
    seen = len(poses) if poses else 0
    return Measured(frame.size[1], frame.size[0], pasted, seen, model.engine.device, resident_mb(), lines)


def _steps(model: Model, frame: Frame) -> Steps:
    """The recipe's stages, and the whole of it."""
    prepared = model.network.prepare(frame)
    outputs: dict[str, NDArray[Any]] = {
        name: np.array(array) for name, array in model.engine.run(prepared.tensor).items()
    }

    def decode(wanted: Wanted) -> Callable[[], Any]:
        return lambda: model.network.decode(outputs, prepared, wanted)

    def total(wanted: Wanted) -> Callable[[], Any]:
        return lambda: model.run(frame, wanted)

    steps: Steps = {
        _BARE: lambda: model.engine.run(prepared.tensor),
        "prepare": lambda: model.network.prepare(frame),
    }
    steps |= {f"decode {name}": decode(wanted) for name, wanted in _LEVELS.items()}
    return steps | {f"total {name}": total(wanted) for name, wanted in _LEVELS.items()}


def _around(model: Model, frame: Frame) -> Steps:
    """What comes before and after the recipe: effects, and messages where ROS 2's types are installed."""
    result = model.run(frame, Wanted.EVERYTHING)
    steps: Steps = {}
    for name in ("overlay", "skeleton"):
        plugin = load_plugin("effects", name)
        effect: Effect = plugin(plugin.Settings())
        if effect.needs in model.network.offers:
            steps[name] = partial(compose_all, [effect], frame, result)
    try:
        from ..ros.graph.image_messages import image_message, read_image
        from ..ros.graph.rosbag_types import RosbagMessages
    except ImportError:
        return steps
    messages = RosbagMessages()
    header = messages.make("std_msgs/msg/Header")
    camera = image_message(messages, header, frame.image, "rgb8")
    steps["message to frame"] = lambda: read_image(camera)
    if result.person is not None:
        mask = result.person * np.uint8(255)
        steps["mask to message"] = lambda: image_message(messages, header, mask, "mono8")
        message = image_message(messages, header, mask, "mono8")
        steps["message to DDS bytes"] = lambda: messages.serialize(message, "sensor_msgs/msg/Image")
    return steps


def _point(measured: Measured) -> tuple[tuple[int, int], int, dict[str, float]]:
    """(width, height), people, ms by stage."""
    people = measured.people if measured.pasted is None else measured.pasted
    return (measured.width, measured.height), people, {line.stage: line.p50_ms for line in measured.lines}


def _table(measured: Measured, model: str) -> Table:
    title = f"{model}: {measured.width}×{measured.height}, {measured.people} people, {measured.device}"
    total = next(line for line in measured.lines if line.stage == "total + everyone")
    caption = f"everything for everyone: {1e3 / total.p50_ms:.1f} frames/s; {measured.resident_mb:.0f} MB resident"
    figures = [Column(name, justify="right") for name in ("p50 ms", "p95 ms", "p99 ms", "CPU ms", "ratio to bare")]
    table = Table("stage", *figures, title=title, caption=caption)
    for line in measured.lines:
        if line.stage in _SECTIONS:
            table.add_section()
        times = (line.p50_ms, line.p95_ms, line.p99_ms, line.cpu_ms, line.ratio)
        table.add_row(line.stage, *(f"{value:.2f}" for value in times))
    return table
