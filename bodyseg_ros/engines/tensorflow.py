"""TensorFlow: every format, on the CPU and on NVIDIA GPUs."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any, Final, Literal

from numpy.typing import NDArray
from pydantic import field_validator

from ..dependencies import install_line
from ..errors import SettingsError
from ..formats import TensorFacts, load_tensorflow, open_model
from ..formats.runtime import first_line
from ..settings import Settings, start_only
from ..types import MapsWanted
from .engine import Engine
from .tensorflow_maps import MapMaker
from .tensors import may_use_nvidia, thread_count

__all__ = ["TensorFlowEngine", "TensorFlowSettings"]

_log = logging.getLogger(__name__)

#: XLA keeps each compiled size until the process ends.
_COMPILED_SIZES: Final = 4
_DEVICE: Final = re.compile(r"auto|cpu|gpu:(\d{1,2})")


class TensorFlowSettings(Settings):
    """Where and how TensorFlow runs the network."""

    device: str = start_only("auto", "Device that runs the network: auto (a GPU if available), cpu, gpu:0, gpu:1, …")
    memory_limit_mb: int = start_only(
        0, "Limit on GPU memory, MiB; 0: no limit. Memory is allocated as needed.", ge=0, le=1_000_000
    )
    mixed_float16: bool = start_only(
        False, "Compute in float16 where TensorFlow considers it safe, on a GPU only: faster, less exact."
    )
    jit: bool = start_only(
        False,
        "Compile with XLA, on a GPU only: faster, but each new image size takes seconds to compile; "
        f"after {_COMPILED_SIZES} sizes it runs uncompiled.",
    )

    decode_on_device: Literal["auto", "always", "never"] = start_only(
        "auto", "Decode masks and part maps on the network's device: auto (on a GPU), always, never."
    )

    @field_validator("device")
    @classmethod
    def _known_device(cls, device: str) -> str:
        if not _DEVICE.fullmatch(device):
            raise ValueError(
                f"Parameter tensorflow.device is {device!r}, but it must be auto, cpu, or gpu:0, gpu:1, …."
            )
        return device


class TensorFlowEngine(Engine):
    """Runs a network with TensorFlow, traced once for all sizes that the file leaves open.

    Thread counts, memory growth and limit are process-wide in TensorFlow and fixed at its first use.
    """

    api_version = 1
    Settings = TensorFlowSettings
    formats = frozenset({"tfjs", "tfjs-v1", "frozen", "saved_model"})
    package, requirement = "tensorflow", "bodyseg_ros[tensorflow]"
    has_process_threads = True
    settings: TensorFlowSettings

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
        """'CPU, 2 threads' or 'GPU 0: name'."""
        return self._device

    def load(self) -> None:
        """Set threads and memory unless already set, and trace the network on the chosen device."""
        self._tf = load_tensorflow()
        _set_threads(self._tf, self.threads)
        gpus = self._tf.config.list_physical_devices("GPU")
        gpu = _chosen_gpu(self.settings.device, len(gpus))
        self._place = "/CPU:0" if gpu is None else f"/GPU:{gpu}"
        self._compiled: set[tuple[int, ...]] | None = None
        on_device = self.settings.decode_on_device == "always"
        if gpu is not None:
            _set_memory(self._tf, gpus[gpu], self.settings.memory_limit_mb)
            # TensorFlow has one switch for the process, read when a network is built.
            self._tf.config.optimizer.set_experimental_options({"auto_mixed_precision": self.settings.mixed_float16})
            self._compiled = set() if self.settings.jit else None
            on_device = self.settings.decode_on_device != "never"
        self._device = _described(self._tf, gpus, gpu)
        self.leaves_cpu, self.makes_maps = gpu is not None, on_device
        self._trace(compiled=self._compiled is not None)

    def infer(self, tensor: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """See Engine.infer(); the file's dtypes."""
        return self._answer(tensor, None)

    def infer_maps(self, tensor: NDArray[Any], maps: MapsWanted) -> Mapping[str, NDArray[Any]]:
        """See Engine.infer_maps()."""
        return self._answer(tensor, maps)

    def explain(self, error: Exception) -> str:
        """TensorFlow's errors start with a heading."""
        return first_line(error)

    def unload(self) -> None:
        """Let the network go; the memory returns to TensorFlow, which keeps it for the next one."""
        del self._model

    def _answer(self, tensor: NDArray[Any], maps: MapsWanted | None) -> dict[str, NDArray[Any]]:
        self._note_size(tensor.shape + ((maps.geometry.height, maps.geometry.width) if maps else ()))
        with self._tf.device(self._place):
            outputs = self._model.function(self._tf.constant(tensor))
            if maps:
                outputs = self._maps.with_maps(outputs, maps)
            return {name: output.numpy() for name, output in outputs.items()}

    def _trace(self, *, compiled: bool) -> None:
        with self._tf.device(self._place):
            self._model = open_model(self.source, compile_with_xla=compiled)
        self.input = TensorFacts(self._model.input, self._model.dtype, self._model.shape)
        self._maps = MapMaker(self._tf, compile_with_xla=compiled)

    def _note_size(self, shape: tuple[int, ...]) -> None:
        """Retrace without XLA after it has compiled for too many sizes of image and maps."""
        if self._compiled is None or shape in self._compiled:
            return
        if len(self._compiled) < _COMPILED_SIZES:
            self._compiled.add(shape)
            return
        _log.warning("XLA has compiled the network for %d sizes; it runs uncompiled from now on.", _COMPILED_SIZES)
        self._compiled = None
        self._trace(compiled=False)


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
            f"Parameter threads is {threads}, but TensorFlow already runs with {have or 'one per core'} "
            "and cannot change it; start a new process."
        ) from err


def _chosen_gpu(device: str, count: int) -> int | None:
    """The number of the GPU to use, None for the CPU."""
    if device == "cpu" or (device == "auto" and count == 0):
        return None
    index = 0 if device == "auto" else int(device.partition(":")[2])
    if index >= count:
        raise SettingsError(
            f"Parameter tensorflow.device is {device!r}, but TensorFlow sees {count or 'no'} GPU here. A GPU needs "
            f"its driver and {install_line('bodyseg_ros[gpu]')}; set TF_CPP_MIN_LOG_LEVEL=0 to see what is missing."
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
            "process and cannot change the limit; start a new process."
        ) from err


def _described(tf: Any, gpus: list[Any], gpu: int | None) -> str:
    if gpu is not None:
        return f"GPU {gpu}: {tf.config.experimental.get_device_details(gpus[gpu]).get('device_name', 'unknown')}"
    threads = thread_count(tf.config.threading.get_intra_op_parallelism_threads())
    return f"CPU, {threads} thread{'s' * (threads != 1)}"
