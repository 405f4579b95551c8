"""`bodyseg bench`: where a frame's time goes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated, Any, Final

import cv2
import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from ..media import open_source
from ..pipeline import Pipeline
from ..types import Frame, Wanted
from .loading import load_model
from .options import takes_parameters

__all__ = ["bench"]

_MASK: Final = Wanted.PERSON
_LEVELS: Final = {
    "mask": _MASK,
    "+ parts": _MASK | Wanted.PARTS,
    "+ poses": _MASK | Wanted.PARTS | Wanted.POSES,
    "+ everyone": Wanted.EVERYTHING,
}


@takes_parameters("model", "network", "engine")
def bench(
    photo: Annotated[str, typer.Argument(help="A photo, brought to the size below.")],
    values: dict[str, Any],
    width: Annotated[int, typer.Option(min=1, help="Frame width, px.")] = 640,
    height: Annotated[int, typer.Option(min=1, help="Frame height, px.")] = 480,
    runs: Annotated[int, typer.Option(min=3, help="Rounds; each measures every line once.")] = 30,
) -> None:
    """Time the bare network and everything around it, in one run.

    Every round measures each line once, so that a machine that slows down slows all of them. Medians are shown,
    and their ratio to the bare network. Example: bodyseg bench photo.jpg --output-stride 16
    """
    with load_model(values) as model, open_source(photo) as source:
        image = np.asarray(
            cv2.resize(next(iter(source)).image, (width, height), interpolation=cv2.INTER_AREA), np.uint8
        )
        steps = _steps(model, Frame(image))
        times: dict[str, list[float]] = {name: [] for name in steps}
        for _ in range(3):
            for step in steps.values():
                step()
        for _ in track(range(runs), "rounds", console=Console(stderr=True), transient=True):
            for name, step in steps.items():
                began = time.perf_counter()
                step()
                times[name].append(time.perf_counter() - began)
        people = model.run(Frame(image)).poses
        _print(times, f"{width}×{height}, {len(people) if people else 0} people, {model.engine.device}")


def _steps(model: Pipeline, frame: Frame) -> dict[str, Callable[[], Any]]:
    prepared = model.network.prepare(frame)
    outputs: dict[str, NDArray[Any]] = {
        name: np.array(array) for name, array in model.engine.run(prepared.tensor).items()
    }

    def decode(wanted: Wanted) -> Callable[[], Any]:
        return lambda: model.network.decode(outputs, prepared, wanted)

    def total(wanted: Wanted) -> Callable[[], Any]:
        return lambda: model.run(frame, wanted)

    steps: dict[str, Callable[[], Any]] = {
        "bare network": lambda: model.engine.run(prepared.tensor),
        "prepare": lambda: model.network.prepare(frame),
    }
    steps |= {f"decode {name}": decode(wanted) for name, wanted in _LEVELS.items()}
    return steps | {f"total {name}": total(wanted) for name, wanted in _LEVELS.items()}


def _print(times: dict[str, list[float]], title: str) -> None:
    bare = float(np.median(times["bare network"]))
    table = Table("stage", "median ms", "95 % ms", "ratio to bare", title=title)
    for name, seconds in times.items():
        if name in ("decode mask", "total mask"):
            table.add_section()
        median = float(np.median(seconds))
        table.add_row(name, f"{1e3 * median:.2f}", f"{1e3 * np.percentile(seconds, 95):.2f}", f"{median / bare:.2f}")
    Console().print(table)
