"""What the cameras of one process share: networks, and the order in which frames are processed."""

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
    """An engine, its lock, and its number of users."""

    engine: Engine
    turns: FairLock = field(default_factory=FairLock)
    users: int = 0


class Shared:
    """Engines that cameras share, and the turns they take.

    One frame is processed at a time. On a CPU, where a network uses every core, two at once were slower; batches of 2
    and 4 gained 5 to 8 % with LiteRT and nothing with TensorFlow. If the network leaves the CPU idle, another frame is
    processed meanwhile (`overlap.py`).
    """

    def __init__(self) -> None:
        self.turns = FairLock()
        self._opened: dict[str, _Shared] = {}
        self._lock = threading.Lock()

    def open_engine(self, name: str, source: ModelSource, settings: Mapping[str, Settings], threads: int = 0) -> Engine:
        """Like engines.open_engine(), but the same file under the same settings is opened once. End with close()."""
        key = repr((name, source, sorted(settings.items()), threads))
        with self._lock:
            if key not in self._opened:
                self._opened[key] = _Shared(open_engine(name, source, settings, threads))
            self._opened[key].users += 1
            return self._opened[key].engine

    def turns_at(self, engine: Engine) -> FairLock:
        """Return the FairLock of an engine, for users that take turns in order of arrival."""
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
