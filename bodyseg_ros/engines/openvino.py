"""OpenVINO: .onnx, .tflite and its own .xml files on Intel CPUs, GPUs and NPUs, and on ARM CPUs."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import SettingsError
from ..formats import read_onnx, read_openvino, read_tflite
from ..settings import Settings, start_only
from .engine import Engine
from .tensors import any_size, as_float, chosen_outputs, first_line, only_input, thread_count

__all__ = ["OpenVINOEngine", "OpenVINOSettings"]

_log = logging.getLogger(__name__)

#: Compiling takes half a second per size. After this many sizes the network is compiled for any size, a few percent
#: slower.
_COMPILED_SIZES: Final = 3
_READERS: Final = {"onnx": read_onnx, "openvino": read_openvino, "tflite": read_tflite}


class OpenVINOSettings(Settings):
    """Where and how OpenVINO runs the network."""

    device: str = start_only("CPU", "Device that runs the network: CPU, GPU, GPU.1, NPU, or AUTO.")
    precision: Literal["f32", "bf16", "f16"] = start_only(
        "f32", "Minimum compute precision; bf16 and f16 are faster on hardware that supports them."
    )


class OpenVINOEngine(Engine):
    """Runs an .onnx, .tflite or IR file, compiled for each of the first few image sizes, then for any size."""

    api_version = 1
    Settings = OpenVINOSettings
    formats = frozenset(_READERS)
    package, requirement = "openvino", "bodyseg_ros[openvino]"
    has_process_threads = True
    settings: OpenVINOSettings

    @classmethod
    def speed(cls, settings: OpenVINOSettings) -> float:
        """Between LiteRT's and TensorFlow's on a CPU."""
        return 1.5

    @property
    def device(self) -> str:
        """'CPU, 2 threads', or another device's name."""
        return super().device if self.settings.device == "CPU" else self.settings.device

    def load(self) -> None:
        """Check device and file, and read the file; compilation happens at the first image."""
        self._core, device = import_module("openvino").Core(), self.settings.device
        _refuse_device(device, self._core.available_devices)
        self.leaves_cpu = device.partition(".")[0] in ("GPU", "NPU")  # AUTO may select the CPU
        self._options: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": self.settings.precision,
        }
        if device == "CPU":
            self._options["INFERENCE_NUM_THREADS"] = thread_count(self.threads)
            # Its own rounding of 8-bit networks is off by dozens of steps; without it they are computed in float32.
            self._options["LP_TRANSFORMS_MODE"] = "NO"
        facts = _READERS[self.source.format](self.source.path)
        self._model: Any = self._core.read_model(self.source.path)
        stated = only_input(facts.inputs, self.source.path)
        self.input = any_size(stated) if self.source.format == "tflite" else stated
        self._facts, names = facts.outputs, [output.name for output in facts.outputs]
        self._outputs = chosen_outputs(self.source.outputs, names, self.source.path)
        self._compiled: dict[tuple[int, ...], Any] = {}

    def infer(self, tensor: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """See Engine.infer()."""
        request = self._request(tensor.shape)
        request.infer([tensor], share_inputs=True)
        arrays = {head: request.get_output_tensor(place).data for head, place in self._outputs.items()}
        # The request writes its next answer into the same memory.
        return {head: np.array(as_float(array, self._facts[self._outputs[head]])) for head, array in arrays.items()}

    def explain(self, error: Exception) -> str:
        """OpenVINO's errors start with source locations."""
        lines = [line.strip() for line in str(error).splitlines()]
        said = [line for line in lines if line and not line.startswith(("Exception from", "Check '"))]
        return (said or [first_line(error)])[0].rstrip(".:")

    def unload(self) -> None:
        """Let the network go."""
        self._model = None
        self._compiled.clear()

    def _request(self, shape: tuple[int, ...]) -> Any:
        """The network compiled for an input shape, or for any once there were many."""
        if shape in self._compiled:
            return self._compiled[shape]
        if len(self._compiled) >= _COMPILED_SIZES:
            stated = self.input.shape if self.input else ()
            shape = tuple(-1 if side is None else side for side in stated)
        if len(self._compiled) == _COMPILED_SIZES:
            _log.info(
                "OpenVINO compiles %s for any image size, after %d sizes.", self.source.path.name, _COMPILED_SIZES
            )
        if shape not in self._compiled:
            self._compiled[shape] = self._compile(shape)
        return self._compiled[shape]

    def _compile(self, shape: tuple[int, ...]) -> Any:
        model = self._model
        if model.input(0).partial_shape.is_dynamic or tuple(model.input(0).shape) != shape:
            model = model.clone()
            model.reshape(list(shape))
        return self._core.compile_model(model, self.settings.device, self._options).create_infer_request()


def _refuse_device(device: str, there: list[str]) -> None:
    if device != "AUTO" and device not in there and device not in {name.partition(".")[0] for name in there}:
        raise SettingsError(
            f"Parameter openvino.device is {device!r}, but OpenVINO finds {', '.join(there) or 'none'}; "
            "a GPU or NPU needs its driver."
        )
