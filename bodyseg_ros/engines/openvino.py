"""OpenVINO: .onnx, .tflite and its own .xml files on Intel CPUs, GPUs and NPUs, and on ARM CPUs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import EngineError, ModelFileError, SettingsError
from ..formats import ModelSource, read_onnx, read_openvino, read_tflite
from ..settings import Settings, start_only
from .tensors import any_size, as_float, as_input, chosen_outputs, first_line, imported, only_input, thread_count

__all__ = ["OpenVINOEngine", "OpenVINOSettings"]

#: Networks compiled for so many sizes of a picture are kept.
_KEPT_SIZES: Final = 3
_READERS: Final = {"onnx": read_onnx, "openvino": read_openvino, "tflite": read_tflite}


class OpenVINOSettings(Settings):
    """Where and how OpenVINO runs the network."""

    device: str = start_only("CPU", "What runs the network: CPU, GPU, GPU.1, NPU, or AUTO.")
    precision: Literal["f32", "bf16", "f16"] = start_only(
        "f32", "Least precision that it may compute in; bf16 and f16 are faster where the hardware has them."
    )


class OpenVINOEngine:
    """Runs an .onnx, .tflite or IR file, compiled for each size of the picture; the last few are kept."""

    Settings: ClassVar[type[Settings]] = OpenVINOSettings
    formats: ClassVar[frozenset[str]] = frozenset({"onnx", "tflite", "openvino"})

    def __init__(self, source: ModelSource, settings: OpenVINOSettings, threads: int = 0) -> None:
        openvino = imported("openvino", "openvino", "bodyseg_ros[openvino]")
        self._path, self._device, self._threads = source.path, settings.device, thread_count(threads)
        self._core = openvino.Core()
        _refuse_device(settings.device, self._core.available_devices)
        self._options: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": settings.precision,
        }
        if settings.device == "CPU":
            self._options["INFERENCE_NUM_THREADS"] = self._threads
            # Its own rounding of 8-bit networks is off by dozens of steps; without it they are computed in float32.
            self._options["LP_TRANSFORMS_MODE"] = "NO"
        facts = _READERS[source.format](source.path)
        try:
            self._model: Any = self._core.read_model(source.path)  # None once closed
        except RuntimeError as err:
            raise ModelFileError(f"OpenVINO refuses {str(source.path)!r}: {_reason(err)}.") from err
        stated = only_input(facts.inputs, source.path)
        self._input = any_size(stated) if source.format == "tflite" else stated
        self._facts = facts.outputs
        self._outputs = chosen_outputs(source.outputs, [output.name for output in facts.outputs], source.path)
        self._compiled: OrderedDict[tuple[int, ...], Any] = OrderedDict()

    @classmethod
    def speed(cls, settings: OpenVINOSettings) -> float:
        """Between LiteRT's and TensorFlow's on a CPU."""
        return 1.5

    @property
    def device(self) -> str:
        """'CPU, 2 threads', or another device's name."""
        return f"CPU, {self._threads} thread{'s' * (self._threads != 1)}" if self._device == "CPU" else self._device

    @property
    def leaves_cpu(self) -> bool:
        """Whether a GPU or NPU was chosen; AUTO may take the CPU."""
        return self._device.partition(".")[0] in ("GPU", "NPU")

    def run(self, tensor: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """One forward pass: an array of the model's shape in, float32 arrays by output names out.

        Raises EngineError.
        """
        if self._model is None:
            raise EngineError("The OpenVINO engine is closed; open the model again.")
        values = as_input(tensor, self._input)
        try:
            request = self._request(values.shape)
            request.infer([values], share_inputs=True)
            arrays = {head: request.get_output_tensor(place).data for head, place in self._outputs.items()}
        except RuntimeError as err:
            raise EngineError(
                f"OpenVINO could not run {self._path.name} with an input of {values.shape} on {self.device}: "
                f"{_reason(err)}."
            ) from err
        # The request writes its next answer into the same memory.
        return {head: np.array(as_float(array, self._facts[self._outputs[head]])) for head, array in arrays.items()}

    def close(self) -> None:
        """Let the network go."""
        self._model = None
        self._compiled.clear()

    def _request(self, shape: tuple[int, ...]) -> Any:
        """The network compiled for an input shape."""
        if shape not in self._compiled:
            model = self._model
            if model.input(0).partial_shape.is_dynamic or tuple(model.input(0).shape) != shape:
                model = model.clone()
                model.reshape(list(shape))
            self._compiled[shape] = self._core.compile_model(model, self._device, self._options).create_infer_request()
        self._compiled.move_to_end(shape)
        if len(self._compiled) > _KEPT_SIZES:
            self._compiled.popitem(last=False)
        return self._compiled[shape]


def _refuse_device(device: str, there: list[str]) -> None:
    if device != "AUTO" and device not in there and device not in {name.partition(".")[0] for name in there}:
        raise SettingsError(
            f"Parameter openvino.device is {device!r}, but OpenVINO sees {', '.join(there) or 'none'} here; "
            "a GPU or NPU needs its driver."
        )


def _reason(err: BaseException) -> str:
    """OpenVINO's errors begin with the places in its source that they passed."""
    lines = [line.strip() for line in str(err).splitlines()]
    said = [line for line in lines if line and not line.startswith(("Exception from", "Check '"))]
    return (said or [first_line(err)])[0].rstrip(".:")
