"""TensorFlow: every format, on the CPU and on NVIDIA GPUs."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal

from numpy.typing import NDArray
from pydantic import field_validator

from ..dependencies import install_line
from ..errors import EngineError, SettingsError
from ..formats import ModelSource, OpenedModel, TensorFacts, load_tensorflow, open_model
from ..formats.runtime import first_line
from ..settings import Settings, start_only
from ..types import MapsWanted
from .tensorflow_maps import MapMaker
from .tensors import as_input, may_use_nvidia, thread_count

__all__ = ["TensorFlowEngine", "TensorFlowSettings"]

_log = logging.getLogger(__name__)

#: XLA keeps what it compiled for a size as long as the process lives.
_COMPILED_SIZES: Final = 4
_DEVICE: Final = re.compile(r"auto|cpu|gpu:(\d{1,2})")


class TensorFlowSettings(Settings):
    """Where and how TensorFlow runs the network."""

    device: str = start_only("auto", "What runs the network: auto (a GPU if there is one), cpu, or gpu:0, gpu:1, …")
    memory_limit_mb: int = start_only(
        0, "Most memory taken on the GPU, MiB; 0: as much as is needed. None is taken in advance.", ge=0, le=1_000_000
    )
    mixed_float16: bool = start_only(
        False, "Compute in float16 where TensorFlow holds that to be safe, on a GPU only: faster, less exact."
    )
    jit: bool = start_only(
        False,
        "Compile with XLA, on a GPU only: faster, but each new picture size costs a compilation of seconds; "
        f"after {_COMPILED_SIZES} sizes it runs uncompiled.",
    )

    decode_on_device: Literal["auto", "always", "never"] = start_only(
        "auto", "Make masks and part maps where the network runs, behind it: auto (on a GPU), always or never."
    )

    @field_validator("device")
    @classmethod
    def _known_device(cls, device: str) -> str:
        if not _DEVICE.fullmatch(device):
            raise ValueError(
                f"Parameter tensorflow.device is {device!r}, but it must be auto, cpu, or gpu:0, gpu:1, …."
            )
        return device


class TensorFlowEngine:
    """Runs a network by TensorFlow: traced once for all sizes that the model's file leaves open.

    Thread counts, memory growth and limit are TensorFlow's own, one for the whole process, and fixed by its first use.
    """

    Settings: ClassVar[type[Settings]] = TensorFlowSettings
    formats: ClassVar[frozenset[str]] = frozenset({"tfjs", "tfjs-v1", "frozen", "saved_model"})

    def __init__(self, source: ModelSource, settings: TensorFlowSettings, threads: int = 0) -> None:
        self._tf = load_tensorflow()
        _set_threads(self._tf, threads)
        gpus = self._tf.config.list_physical_devices("GPU")
        gpu = _chosen_gpu(settings.device, len(gpus))
        if gpu is not None:
            _set_memory(self._tf, gpus[gpu], settings.memory_limit_mb)
        self._place = "/CPU:0" if gpu is None else f"/GPU:{gpu}"
        self._device = _described(self._tf, gpus, gpu)
        if gpu is not None:  # TensorFlow has one switch for the process, read when a network is built
            self._tf.config.optimizer.set_experimental_options({"auto_mixed_precision": settings.mixed_float16})
        self._source = source
        self._compiled: set[tuple[int, ...]] | None = set() if settings.jit and gpu is not None else None
        self._model: OpenedModel | None = self._opened(compiled=self._compiled is not None)  # None once closed
        on_device = settings.decode_on_device == "always" or (settings.decode_on_device == "auto" and gpu is not None)
        self._maps = MapMaker(self._tf, compile_with_xla=self._compiled is not None) if on_device else None

    @classmethod
    def speed(cls, settings: TensorFlowSettings) -> float:
        """One on a CPU, which the others are measured by, and ten on a GPU."""
        if settings.device == "auto":
            return (
                10.0 if may_use_nvidia("tensorflow") and load_tensorflow().config.list_physical_devices("GPU") else 1.0
            )
        return 1.0 if settings.device == "cpu" else 10.0

    @property
    def device(self) -> str:
        """'CPU', 'CPU, 2 threads' or 'GPU 0: name'."""
        return self._device

    @property
    def leaves_cpu(self) -> bool:
        """Whether it runs on a GPU."""
        return "GPU" in self._place

    @property
    def makes_maps(self) -> bool:
        """Whether run() makes maps: on a GPU, or as `decode_on_device` says."""
        return self._maps is not None

    def run(self, tensor: NDArray[Any], maps: MapsWanted | None = None) -> Mapping[str, NDArray[Any]]:
        """One forward pass: an array of the model's input shape and dtype in, arrays by output names out.

        maps: what to make of the outputs on the device, by their names in `types`; part logits then stay there.

        Raises EngineError for another shape or dtype, where TensorFlow fails, or after close().
        """
        if self._model is None:
            raise EngineError("The TensorFlow engine is closed; open the model again.")
        values = as_input(tensor, TensorFacts(self._model.input, self._model.dtype, self._model.shape))
        try:
            with self._tf.device(self._place):
                source = (maps.geometry.height, maps.geometry.width) if maps else ()
                outputs = self._for_size(self._model, values.shape + source).function(self._tf.constant(values))
                if maps and self._maps:
                    outputs = self._maps.with_maps(outputs, maps)
                return {name: output.numpy() for name, output in outputs.items()}
        except (self._tf.errors.OpError, ValueError, TypeError, RuntimeError) as err:
            raise EngineError(f"TensorFlow could not run the network on {self._device}: {first_line(err)}.") from err

    def _opened(self, *, compiled: bool) -> OpenedModel:
        with self._tf.device(self._place):
            return open_model(self._source, compile_with_xla=compiled)

    def _for_size(self, model: OpenedModel, shape: tuple[int, ...]) -> OpenedModel:
        """The model itself; once XLA has compiled it for too many sizes, one without XLA from then on.

        shape: of the picture, then of the maps if there are any, which are compiled for too.
        """
        if self._compiled is None or shape in self._compiled:
            return model
        if len(self._compiled) < _COMPILED_SIZES:
            self._compiled.add(shape)
            return model
        _log.warning("XLA has compiled the network for %d sizes; it runs uncompiled from now on.", _COMPILED_SIZES)
        self._compiled = None
        self._model = self._opened(compiled=False)
        self._maps = self._maps and MapMaker(self._tf, compile_with_xla=False)
        return self._model

    def close(self) -> None:
        """Let the network go; the memory returns to TensorFlow, which keeps it for the next one."""
        self._model = None


def _set_threads(tf: Any, threads: int) -> None:
    """One operation at a time on so many threads; 0 leaves TensorFlow its own, one per core."""
    config = tf.config.threading
    have = config.get_intra_op_parallelism_threads()
    if threads in (0, have):
        return
    try:
        config.set_intra_op_parallelism_threads(threads)
        config.set_inter_op_parallelism_threads(1)
    except RuntimeError as err:
        raise SettingsError(
            f"Parameter threads is {threads}, but TensorFlow already runs in this process with "
            f"{have or 'one per core'}, and takes thread counts only before its first use; start a new process."
        ) from err


def _chosen_gpu(device: str, count: int) -> int | None:
    """The number of the GPU to use, None for the CPU."""
    if device == "cpu" or (device == "auto" and count == 0):
        return None
    index = 0 if device == "auto" else int(device.partition(":")[2])
    if index >= count:
        raise SettingsError(
            f"Parameter tensorflow.device is {device!r}, but TensorFlow sees {count or 'no'} GPU here. A GPU needs "
            f"its driver and {install_line('bodyseg_ros[gpu]')}; with TF_CPP_MIN_LOG_LEVEL=0 TensorFlow says what it "
            "misses."
        )
    return index


def _set_memory(tf: Any, gpu: Any, limit_mb: int) -> None:
    """Limit the GPU's memory, if asked; growth is switched on for the process by load_tensorflow."""
    if not limit_mb:
        return
    limits = [tf.config.LogicalDeviceConfiguration(memory_limit=limit_mb)]
    if tf.config.get_logical_device_configuration(gpu) == limits:
        return
    try:
        tf.config.set_logical_device_configuration(gpu, limits)
    except (RuntimeError, ValueError) as err:
        raise SettingsError(
            f"Parameter tensorflow.memory_limit_mb is {limit_mb}, but TensorFlow already uses {gpu.name} in this "
            "process, and takes a limit only before its first use; start a new process."
        ) from err


def _described(tf: Any, gpus: list[Any], gpu: int | None) -> str:
    if gpu is not None:
        return f"GPU {gpu}: {tf.config.experimental.get_device_details(gpus[gpu]).get('device_name', 'unknown')}"
    threads = thread_count(tf.config.threading.get_intra_op_parallelism_threads())
    return f"CPU, {threads} thread{'s' * (threads != 1)}"
