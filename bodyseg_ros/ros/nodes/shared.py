"""What the cameras of one process share: networks, and the order in which their frames are served."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from ...engines import Engine, open_engine
from ...formats import ModelSource
from ...settings import Settings
from .fair_lock import FairLock

__all__ = ["Shared"]


@dataclass
class _Shared:
    """An engine, the turns that its users take at it, and how many they are."""

    engine: Engine
    turns: FairLock = field(default_factory=FairLock)
    users: int = 0


class Shared:
    """Engines by what opens them, and the turns that cameras take.

    One frame is in work at a time, and each goes through the network alone: on a CPU, where a network uses every core,
    two at once were slower, and batches of 2 and 4 gained 5 to 8 % with LiteRT and nothing with TensorFlow. Where the
    network leaves the CPU free, a frame's turn is given to others while it is there (`overlap.py`).
    """

    def __init__(self) -> None:
        self.turns = FairLock()
        self._opened: dict[str, _Shared] = {}
        self._lock = threading.Lock()

    def open_engine(self, name: str, source: ModelSource, settings: Mapping[str, Settings], threads: int = 0) -> Engine:
        """As engines.open_engine(), but the same files under the same settings are opened once; end with close()."""
        key = repr((name, source, sorted(settings.items()), threads))
        with self._lock:
            if key not in self._opened:
                self._opened[key] = _Shared(open_engine(name, source, settings, threads))
            self._opened[key].users += 1
            return self._opened[key].engine

    def turns_at(self, engine: Engine) -> FairLock:
        """FairLock at an engine, for users who want to be served in the order they came."""
        with self._lock:
            return self._entry(engine)[1].turns

    def close(self, engine: Engine) -> None:
        """End one use of an engine; the last one closes it."""
        with self._lock:
            key, entry = self._entry(engine)
            entry.users -= 1
            if not entry.users:
                del self._opened[key]
                engine.close()

    def _entry(self, engine: Engine) -> tuple[str, _Shared]:
        return next((key, entry) for key, entry in self._opened.items() if entry.engine is engine)
