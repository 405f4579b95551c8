"""Time the network alone, by engine and input size."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..engines import Engine, open_engine
from ..errors import BodysegError, SettingsError
from ..formats import ModelSource, detect
from ..networks import Network
from ..plugins import load_plugin, plugin_names
from ..settings import Settings
from ..types import Frame

__all__ = ["EngineOpener", "EngineTimes", "automatic_engines", "time_engines"]

_WARM_UP: Final = 3


@dataclass(frozen=True)
class EngineTimes:
    """Time of one engine at one input size.

    first_ms: from opening the file to the first result. ratio: its median to the fastest engine's.
    """

    engine: str
    device: str
    file: str
    frame: str
    input: str
    first_ms: float
    median_ms: float
    p95_ms: float
    ratio: float


def automatic_engines() -> list[str]:
    """Names of the engines that `engine: auto` may choose and that read files."""
    plugins = {name: load_plugin("engines", name) for name in plugin_names("engines")}
    return [
        name for name, plugin in plugins.items() if "none" not in plugin.formats and plugin.speed(plugin.Settings()) > 0
    ]


class EngineOpener:
    """Opens every engine that can run one of the model's files; records why others cannot."""

    def __init__(self, names: list[str], also: list[Path]) -> None:
        self._names, self._also = names, also
        self.opened: dict[str, tuple[Engine, str]] = {}  # engine, and name of its file
        self.opening_ms: dict[str, float] = {}
        self.failed: dict[str, str] = {}

    def __call__(self, name: str, source: ModelSource, settings: Mapping[str, Settings], threads: int = 0) -> Engine:
        """Return the first engine that opens. Raises SettingsError if none does."""
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

    def close(self) -> None:
        """Release the memory of all engines."""
        for engine, _ in self.opened.values():
            engine.close()

    def first_ms(self, name: str, tensor: NDArray[Any]) -> float | None:
        """Milliseconds from opening to the first result; None, with the reason recorded, if it cannot run."""
        engine = self.opened[name][0]
        try:
            first = _once(engine, tensor)
            for _ in range(_WARM_UP):
                _once(engine, tensor)
        except BodysegError as err:
            self.failed[name] = str(err)
            return None
        return self.opening_ms[name] + first


def time_engines(
    network: Network,
    opener: EngineOpener,
    frame: Frame,
    runs: int,
    show: Callable[[Sequence[int]], Iterable[int]] = iter,
) -> list[EngineTimes]:
    """Time every open engine in each of `runs` rounds; fastest first.

    show: draws the rounds' progress.
    """
    tensor = network.prepare(frame).tensor
    tried = {name: opener.first_ms(name, tensor) for name in opener.opened}
    first = {name: milliseconds for name, milliseconds in tried.items() if milliseconds is not None}
    times: dict[str, list[float]] = {name: [] for name in first}
    for _ in show(range(runs)):
        for name, seconds in times.items():
            seconds.append(_once(opener.opened[name][0], tensor))
    medians = {name: float(np.median(seconds)) for name, seconds in times.items()}
    best = min(medians.values(), default=1.0)
    return [
        EngineTimes(
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
