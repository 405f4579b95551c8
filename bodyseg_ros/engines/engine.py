"""The seam between a network and what runs it."""

from __future__ import annotations

import os
import threading
from abc import abstractmethod
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, ClassVar, Final

from numpy.typing import NDArray

from .. import settings
from ..dependencies import missing_package
from ..errors import BodysegError, EngineError, ModelFileError
from ..formats import ModelSource, TensorFacts
from ..plugins import Plugin
from ..types import MapsWanted
from .tensors import as_input, first_line, thread_count

__all__ = ["Engine"]

#: Package → the process in which it started its threads: this one, or one that this was forked from.
_started_in: Final[dict[str, int]] = {}


class Engine(Plugin):
    """Runs one network; run() may be called from any thread, one pass is made at a time.

    A plugin writes load() and infer(). What they raise becomes a sentence with the engine's name and the file:
    ModelFileError from load(), EngineError from infer(), MissingDependencyError where an import fails; this package's
    own errors pass. The engine's package is imported in load(), not by the module, so that looking for the best
    engine loads none.

    Built as `EngineClass(source, settings, threads)`. threads: CPU threads to compute with, 0 for one per core.
    """

    supported_versions = frozenset({1})
    Settings: ClassVar[type[settings.Settings]] = settings.Settings
    #: Formats of model files that it runs, as `ModelSource.format` names them.
    formats: ClassVar[frozenset[str]]
    #: The Python package that load() imports, and what brings it, as pip takes it; '' for none.
    package: ClassVar[str] = ""
    requirement: ClassVar[str] = ""
    #: Whether its package starts threads for the whole process, which a fork lacks: it can be used in one of them only.
    has_process_threads: ClassVar[bool] = False
    #: Whether `engine: auto` passes it over, as an engine for tests.
    by_name_only: ClassVar[bool] = False

    #: Whether the CPU is free while it runs; a node then prepares and decodes other frames meanwhile. Set by load().
    leaves_cpu: bool = False
    #: Whether infer_maps() is worth calling, with the device and settings in force. Set by load().
    makes_maps: bool = False
    #: The tensor that infer() takes, against which run() checks and converts; None: infer() takes any. Set by load().
    input: TensorFacts | None = None

    def __init__(self, source: ModelSource, settings: Any, threads: int = 0) -> None:
        self.source, self.settings, self.threads = source, settings, threads
        self._lock, self._process, self._closed = threading.Lock(), os.getpid(), False
        if self.has_process_threads:
            self._refuse_fork()
        try:
            self.load()
        except BodysegError:
            raise
        except ImportError as err:
            raise missing_package(f"The engine {self.name!r}", err, self.requirement or self.package) from err
        except Exception as err:  # engines' errors have no base of their own
            raise ModelFileError(f"The engine {self.name} refuses {str(source.path)!r}: {self.explain(err)}.") from err

    @abstractmethod
    def load(self) -> None:
        """Read `self.source` under `self.settings`, with `self.threads`; once, before anything else."""

    @abstractmethod
    def infer(self, tensor: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """One forward pass: an array as `input` says in, float32 arrays by the names in `source.outputs` out.

        What was given out is read while the next pass runs, so it must not be written again.
        """

    @classmethod
    def speed(cls, settings: Any) -> float:
        """How fast it should be here, in multiples of TensorFlow on a CPU; `engine: auto` tries the fastest first.

        It is asked only where is_available(), and imports its package only if nothing else can tell.
        """
        return 1.0

    def infer_maps(self, tensor: NDArray[Any], maps: MapsWanted) -> Mapping[str, NDArray[Any]]:
        """As infer(), with the maps under their names (`types.MAP_PERSON`, …) in place of part logits."""
        return self.infer(tensor)

    def unload(self) -> None:
        """Let memory and devices go; called once, by close()."""

    def explain(self, error: Exception) -> str:
        """What an error of the engine's package says, in one line without a full stop."""
        return first_line(error)

    @property
    def device(self) -> str:
        """What it runs on, for diagnostics: 'CPU, 2 threads', 'GPU 0: name'."""
        threads = thread_count(self.threads)
        return f"CPU, {threads} thread{'s' * (threads != 1)}"

    @classmethod
    def is_available(cls) -> bool:
        """Whether its package is installed; nothing is imported."""
        return not cls.package or find_spec(cls.package) is not None

    def run(self, tensor: NDArray[Any], maps: MapsWanted | None = None) -> Mapping[str, NDArray[Any]]:
        """One forward pass: (1, h, w, c) in, arrays by output names out.

        maps: what to make of the outputs on the device, where the engine `makes_maps`. Raises EngineError for a
        tensor of another shape or dtype than `input` says, where the engine fails, after close(), and after a fork.
        """
        if os.getpid() != self._process:
            raise EngineError(
                f"The engine {self.name} was opened in process {self._process} and does not run in its fork "
                f"{os.getpid()}; load the model after forking, or start processes by 'spawn'."
            )
        values = as_input(tensor, self.input) if self.input else tensor
        with self._lock:
            if self._closed:
                raise EngineError(f"The engine {self.name} is closed; load the model again.")
            try:
                return self.infer(values) if maps is None else self.infer_maps(values, maps)
            except BodysegError:
                raise
            except Exception as err:  # engines' errors have no base of their own
                raise EngineError(
                    f"The engine {self.name} could not run {self.source.path.name} on {self.device} with an input of "
                    f"{getattr(values, 'shape', type(values).__name__)}: {self.explain(err)}."
                ) from err

    def _refuse_fork(self) -> None:
        """Raise EngineError where the package's threads were left behind by a fork: it would wait for them for ever."""
        started_in = _started_in.setdefault(self.package, self._process)
        if started_in != self._process:
            raise EngineError(
                f"The engine {self.name} was used in process {started_in} and cannot start in its fork "
                f"{self._process}; load models after forking only, or start processes by 'spawn'."
            )

    def close(self) -> None:
        """Give memory and devices back; run() may not be called after it. In a fork nothing is given back."""
        if os.getpid() != self._process:
            return
        with self._lock:
            if not self._closed:
                self._closed = True
                self.unload()
