"""The seam between a network and what runs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from numpy.typing import NDArray

from ..formats import ModelSource
from ..settings import Settings

__all__ = ["Engine"]


class Engine(Protocol):
    """Runs one network. Built as `EngineClass(source, settings)`; one thread at a time may call run().

    Raises ModelFileError from the constructor for a file it cannot read, EngineError from run().
    """

    Settings: ClassVar[type[Settings]]
    #: Model file formats it can run, as `ModelSource.format` names them.
    formats: ClassVar[frozenset[str]]
    #: Whether `engine: auto` may pick it; an engine for tests says no.
    automatic: ClassVar[bool]

    def __init__(self, source: ModelSource, settings: Any) -> None: ...

    @property
    def device(self) -> str:
        """What it runs on, for diagnostics: 'CPU, 2 threads', 'GPU 0: name'."""
        ...

    def run(self, tensor: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """One forward pass: (1, h, w, c) in, arrays by the names in `source.outputs` out."""
        ...

    def close(self) -> None:
        """Give memory and devices back; run() may not be called after it."""
        ...
