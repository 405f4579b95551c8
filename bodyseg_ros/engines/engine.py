"""Base class of engines."""

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
    """Runs one network. run() may be called from any thread; it does one pass at a time.

    A plugin implements load() and infer(). Their exceptions become errors that name the engine and the file:
    ModelFileError from load(), EngineError from infer(), MissingDependencyError for a failed import; this package's
    own errors pass unchanged. Import the backend in load(), not in the module, so that selecting an engine imports
    none.

    Created as `EngineClass(source, settings, threads)`. threads: CPU threads, 0 for one per core.
    """

    supported_versions = frozenset({1})
    Settings: ClassVar[type[settings.Settings]] = settings.Settings
    #: Formats of model files that it runs, as `ModelSource.format` names them.
    formats: ClassVar[frozenset[str]]
    #: The Python package that load() imports, and its pip requirement; '' for none.
    package: ClassVar[str] = ""
    requirement: ClassVar[str] = ""
    #: Whether the backend starts process-wide threads, so that it works either before or after a fork, not both.
    has_process_threads: ClassVar[bool] = False
    #: Whether `engine: auto` passes it over, as an engine for tests.
    by_name_only: ClassVar[bool] = False

    #: Whether this engine leaves the CPU free; a node then works on other frames meanwhile. Set by load().
    leaves_cpu: bool = False
    #: Whether infer_maps() is worth calling, with the device and settings in force. Set by load().
    makes_maps: bool = False
    #: Input tensor of infer(), which run() checks and converts to; None: any. Set by load().
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
            raise ModelFileError(
                f"The engine {self.name} cannot load {str(source.path)!r}: {self.explain(err)}."
            ) from err

    @abstractmethod
    def load(self) -> None:
        """Load `self.source` with `self.settings` and `self.threads`; called once, first."""

    @abstractmethod
    def infer(self, tensor: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """Run one forward pass: takes an array as described by `input`, returns float32 arrays by the names in
        `source.outputs`.

        Returned arrays are still read during the next pass, so do not reuse their memory.
        """

    @classmethod
    def speed(cls, settings: Any) -> float:
        """Estimated speed on this machine, in multiples of TensorFlow on a CPU; `engine: auto` tries the fastest first.

        Called only if is_available(); should import the backend only if necessary.
        """
        return 1.0

    def infer_maps(self, tensor: NDArray[Any], maps: MapsWanted) -> Mapping[str, NDArray[Any]]:
        """As infer(), with the maps under their names (`types.MAP_PERSON`, …) in place of part logits."""
        return self.infer(tensor)

    def unload(self) -> None:
        """Let memory and devices go; called once, by close()."""

    def explain(self, error: Exception) -> str:
        """The backend's error message, in one line without a full stop."""
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
        """Run one forward pass: (1, h, w, c) in, arrays by output name out.

        maps: maps to decode on the device, if the engine `makes_maps`. Raises EngineError for a tensor that does not
        match `input`, if the engine fails, after close(), and after a fork.
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
        """Raise EngineError after a fork, which does not copy the backend's threads: it would wait for them forever."""
        started_in = _started_in.setdefault(self.package, self._process)
        if started_in != self._process:
            raise EngineError(
                f"The engine {self.name} was used in process {started_in} and cannot start in its fork "
                f"{self._process}; load models after forking only, or start processes by 'spawn'."
            )

    def close(self) -> None:
        """Free memory and devices; run() must not be called afterwards. Does nothing in a fork."""
        if os.getpid() != self._process:
            return
        with self._lock:
            if not self._closed:
                self._closed = True
                self.unload()
