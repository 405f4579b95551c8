"""TensorFlow: every format, on the CPU and on NVIDIA GPUs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import field_validator

from ..errors import EngineError, SettingsError
from ..formats import ModelSource, OpenedModel, load_tensorflow, open_model
from ..formats.runtime import first_line
from ..settings import Settings, start_only

__all__ = ["TensorFlowEngine", "TensorFlowSettings"]

_DEVICE: Final = re.compile(r"auto|cpu|gpu:(\d{1,2})")


class TensorFlowSettings(Settings):
    """Where and how TensorFlow runs the network."""

    device: str = start_only("auto", "What runs the network: auto (a GPU if there is one), cpu, or gpu:0, gpu:1, …")
    intra_threads: int = start_only(0, "CPU threads inside of one operation; 0: TensorFlow's choice.", ge=0, le=256)
    inter_threads: int = start_only(0, "Operations run at a time on the CPU; 0: TensorFlow's choice.", ge=0, le=256)
    memory_limit_mb: int = start_only(
        0, "Most memory taken on the GPU, MiB; 0: as much as is needed. None is taken in advance.", ge=0, le=1_000_000
    )
    jit: bool = start_only(
        False, "Compile with XLA, on a GPU only: faster, but each new picture size costs a compilation of seconds."
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
    automatic: ClassVar[bool] = True

    def __init__(self, source: ModelSource, settings: TensorFlowSettings) -> None:
        self._tf = load_tensorflow()
        _set_threads(self._tf, settings)
        gpus = self._tf.config.list_physical_devices("GPU")
        gpu = _chosen_gpu(settings.device, len(gpus))
        if gpu is not None:
            _set_memory(self._tf, gpus[gpu], settings.memory_limit_mb)
        self._place = "/CPU:0" if gpu is None else f"/GPU:{gpu}"
        self._device = _described(self._tf, gpus, gpu)
        with self._tf.device(self._place):
            model = open_model(source, compile_with_xla=settings.jit and gpu is not None)
        self._model: OpenedModel | None = model  # None once closed

    @property
    def device(self) -> str:
        """'CPU', 'CPU, 2 threads' or 'GPU 0: name'."""
        return self._device

    def run(self, tensor: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """One forward pass: an array of the model's input shape and dtype in, arrays by output names out.

        Raises EngineError for another shape or dtype, where TensorFlow fails, or after close().
        """
        if self._model is None:
            raise EngineError("The TensorFlow engine is closed; open the model again.")
        _check(tensor, self._model)
        try:
            with self._tf.device(self._place):
                outputs = self._model.function(self._tf.constant(tensor))
                return {name: output.numpy() for name, output in outputs.items()}
        except (self._tf.errors.OpError, ValueError, TypeError, RuntimeError) as err:
            raise EngineError(f"TensorFlow could not run the network on {self._device}: {first_line(err)}.") from err

    def close(self) -> None:
        """Let the network go; the memory returns to TensorFlow, which keeps it for the next one."""
        self._model = None


def _check(tensor: NDArray[Any], model: OpenedModel) -> None:
    """Raise EngineError unless the tensor is what the model takes."""
    same = isinstance(tensor, np.ndarray) and tensor.dtype.name == model.dtype and tensor.ndim == len(model.shape)
    if not same or any(
        side < 1 or want not in (None, side) for side, want in zip(tensor.shape, model.shape, strict=True)
    ):
        have = f"{tensor.dtype} {tensor.shape}" if isinstance(tensor, np.ndarray) else type(tensor).__name__
        size = "×".join("any" if side is None else str(side) for side in model.shape)
        raise EngineError(f"The network takes a {model.dtype} array of {size}, but it was given {have}.")


def _set_threads(tf: Any, settings: TensorFlowSettings) -> None:
    """Set the thread counts, or say that it is too late."""
    config = tf.config.threading
    for kind, wanted in (("intra", settings.intra_threads), ("inter", settings.inter_threads)):
        have = getattr(config, f"get_{kind}_op_parallelism_threads")()
        if wanted in (0, have):
            continue
        try:
            getattr(config, f"set_{kind}_op_parallelism_threads")(wanted)
        except RuntimeError as err:
            raise SettingsError(
                f"Parameter tensorflow.{kind}_threads is {wanted}, but TensorFlow already runs in this process with "
                f"{have or 'its own choice'}, and takes thread counts only before its first use; start a new process."
            ) from err


def _chosen_gpu(device: str, count: int) -> int | None:
    """The number of the GPU to use, None for the CPU."""
    if device == "cpu" or (device == "auto" and count == 0):
        return None
    index = 0 if device == "auto" else int(device.partition(":")[2])
    if index >= count:
        raise SettingsError(
            f"Parameter tensorflow.device is {device!r}, but TensorFlow sees {count or 'no'} GPU here. A GPU needs "
            "its driver and pip install 'bodyseg_ros[gpu]'; with TF_CPP_MIN_LOG_LEVEL=0 TensorFlow says what it misses."
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
    threads = tf.config.threading.get_intra_op_parallelism_threads()
    return f"CPU, {threads} thread{'s' * (threads != 1)}" if threads else "CPU"
