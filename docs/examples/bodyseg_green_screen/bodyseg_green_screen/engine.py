"""OpenCV's own network module as an engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from bodyseg_ros.errors import EngineError, ModelFileError
from bodyseg_ros.formats import ModelSource
from bodyseg_ros.settings import Settings, start_only

__all__ = ["OpenCVEngine", "OpenCVSettings"]


class OpenCVSettings(Settings):
    """How OpenCV runs the network; users write `opencv_dnn.half: true`."""

    half: bool = start_only(False, "Compute in float16 on an OpenCL device.")


class OpenCVEngine:
    """Runs .onnx files."""

    Settings: ClassVar[type[Settings]] = OpenCVSettings
    formats: ClassVar[frozenset[str]] = frozenset({"onnx"})

    def __init__(self, source: ModelSource, settings: OpenCVSettings, threads: int = 0) -> None:
        try:
            self._net = cv2.dnn.readNetFromONNX(str(source.path))
        except cv2.error as err:
            raise ModelFileError(f"OpenCV cannot read {str(source.path)!r}: {err}.") from err
        if settings.half:
            self._net.setPreferableTarget(cv2.dnn.DNN_TARGET_OPENCL_FP16)
        if threads:
            cv2.setNumThreads(threads)
        # Head → the file's own name of it; all outputs where the model's card names none.
        self._outputs = source.outputs or {name: name for name in self._net.getUnconnectedOutLayersNames()}

    @classmethod
    def speed(cls, settings: OpenCVSettings) -> float:
        """Half as fast as TensorFlow: `engine: auto` takes it where nothing else reads the file."""
        return 0.5

    @property
    def device(self) -> str:
        """For diagnostics."""
        return "CPU, OpenCV"

    def run(self, tensor: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """One forward pass. Raises EngineError."""
        try:
            self._net.setInput(tensor.astype(np.float32))
            arrays = self._net.forward(list(self._outputs.values()))
        except cv2.error as err:
            raise EngineError(f"OpenCV could not run the network on {tensor.shape}: {err}.") from err
        return dict(zip(self._outputs, arrays, strict=True))

    def close(self) -> None:
        """Nothing to give back."""
