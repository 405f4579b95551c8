"""The seam between a network and what runs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, runtime_checkable

from numpy.typing import NDArray

from ..formats import ModelSource
from ..settings import Settings
from ..types import MapsWanted

__all__ = ["Engine", "LeavesCpu", "MakesMaps"]


class Engine(Protocol):
    """Runs one network. Built as `EngineClass(source, settings, threads)`; one thread at a time may call run().

    threads: CPU threads it may compute with, 0 for one per core. Its package is imported by the constructor, not by
    the module, so that looking for the best engine loads none. Raises MissingDependencyError, SettingsError or
    ModelFileError from the constructor, EngineError from run().
    """

    Settings: ClassVar[type[Settings]]
    #: Model file formats it can run, as `ModelSource.format` names them.
    formats: ClassVar[frozenset[str]]

    def __init__(self, source: ModelSource, settings: Any, threads: int = 0) -> None: ...

    @classmethod
    def speed(cls, settings: Any) -> float:
        """How fast it should be here, in multiples of TensorFlow on a CPU; `engine: auto` tries the fastest first.

        0: never without being asked for by name, as an engine for tests. Where nothing but the package itself can
        tell, it may be imported; where it is not installed, the answer is a guess, and nothing is raised.
        """
        ...

    @property
    def device(self) -> str:
        """What it runs on, for diagnostics: 'CPU, 2 threads', 'GPU 0: name'."""
        ...

    def run(self, tensor: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """One forward pass: (1, h, w, c) in, arrays by the names in `source.outputs` out.

        What was given out is read while the next pass runs (`overlap: always`), so it must not be written again.
        """
        ...

    def close(self) -> None:
        """Give memory and devices back; run() may not be called after it."""
        ...


@runtime_checkable
class LeavesCpu(Protocol):
    """What an engine adds that may run the network elsewhere than on the CPU.

    Where it does, a node prepares and decodes other frames meanwhile, on another thread.
    """

    @property
    def leaves_cpu(self) -> bool:
        """Whether the CPU is free while it runs, with the device and settings in force; of other engines it is not."""
        ...


@runtime_checkable
class MakesMaps(Protocol):
    """What an engine adds that can make a network's heads into maps on the device that runs it."""

    @property
    def makes_maps(self) -> bool:
        """Whether it is worth asking for, with the device and settings in force."""
        ...

    def run(self, tensor: NDArray[Any], maps: MapsWanted | None = None) -> Mapping[str, NDArray[Any]]:
        """As Engine.run(), with the maps under their names (`types.MAP_PERSON`, …) in place of part logits."""
        ...
