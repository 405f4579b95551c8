"""What the cameras of one process share: networks, and the order in which their frames are served."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, cast

from numpy.typing import NDArray

from ...engines import Engine, LeavesCpu, MakesMaps, open_engine
from ...formats import ModelSource
from ...settings import Settings
from ...types import MapsWanted
from .worker import FairLock

__all__ = ["Shared", "SharedEngine"]


class Shared:
    """Engines by what opens them, and the turns that cameras take.

    One frame is in work at a time, and each goes through the network alone: on a CPU, where a network uses every core,
    two at once were slower, and batches of 2 and 4 gained 5 to 8 % with LiteRT and nothing with TensorFlow. Where the
    network leaves the CPU free, a frame's turn is given to others while it is there (`overlap.py`).
    """

    def __init__(self) -> None:
        self.turns = FairLock()
        self._engines: dict[str, SharedEngine] = {}
        self._lock = threading.Lock()

    def open_engine(self, name: str, source: ModelSource, settings: Mapping[str, Settings], threads: int = 0) -> Engine:
        """As engines.open_engine(), but the same files under the same settings are opened once."""
        key = repr((name, source, sorted(settings.items()), threads))
        with self._lock:
            if key not in self._engines or not self._engines[key].users:
                self._engines[key] = SharedEngine(open_engine(name, source, settings, threads))
            self._engines[key].users += 1
            return cast(Engine, self._engines[key])  # it is built otherwise, and runs the same


class SharedEngine:
    """An engine with several users: one run at a time, whichever thread asks; the last user's close() closes it.

    turns: for users who want to be served in the order they came.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine, self._lock = engine, threading.Lock()
        self.turns = FairLock()
        #: As the parameter `engine` names it.
        self.name = type(engine).__name__.removesuffix("Engine").lower()
        self.users = 0

    @property
    def device(self) -> str:
        """What it runs on."""
        return self._engine.device

    @property
    def leaves_cpu(self) -> bool:
        """See LeavesCpu."""
        return isinstance(self._engine, LeavesCpu) and self._engine.leaves_cpu

    @property
    def makes_maps(self) -> bool:
        """See MakesMaps."""
        return isinstance(self._engine, MakesMaps) and self._engine.makes_maps

    def run(self, tensor: NDArray[Any], maps: MapsWanted | None = None) -> Mapping[str, NDArray[Any]]:
        """See Engine.run() and MakesMaps.run()."""
        with self._lock:
            if maps is not None and isinstance(self._engine, MakesMaps):
                return self._engine.run(tensor, maps)
            return self._engine.run(tensor)

    def close(self) -> None:
        """See Engine.close()."""
        with self._lock:
            self.users -= 1
            if not self.users:
                self._engine.close()
