"""OpenCV's own network module as an engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bodyseg_ros.engines import Engine
from bodyseg_ros.settings import Settings, start_only

__all__ = ["OpenCVEngine", "OpenCVSettings"]


class OpenCVSettings(Settings):
    """How OpenCV runs the network; users write `opencv_dnn.half: true`."""

    half: bool = start_only(False, "Compute in float16 on an OpenCL device.")


class OpenCVEngine(Engine):
    """Runs .onnx files. What load() and infer() raise becomes a sentence with the engine's name and the file."""

    api_version = 1
    Settings = OpenCVSettings
    formats = frozenset({"onnx"})
    package, requirement = "cv2", "opencv-python-headless"

    @classmethod
    def speed(cls, settings: OpenCVSettings) -> float:
        """Half as fast as TensorFlow: `engine: auto` takes it where nothing else reads the file."""
        return 0.5

    @property
    def device(self) -> str:
        """For diagnostics."""
        return "CPU, OpenCV"

    def load(self) -> None:
        """Read the file."""
        self._net = cv2.dnn.readNetFromONNX(str(self.source.path))
        if self.settings.half:
            self._net.setPreferableTarget(cv2.dnn.DNN_TARGET_OPENCL_FP16)
        if self.threads:
            cv2.setNumThreads(self.threads)
        # Head → the file's own name of it; all outputs where the model's card names none.
        self._outputs = self.source.outputs or {name: name for name in self._net.getUnconnectedOutLayersNames()}

    def infer(self, tensor: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """One forward pass, one at a time, whichever thread asks."""
        self._net.setInput(tensor.astype(np.float32))
        arrays = self._net.forward(list(self._outputs.values()))
        return dict(zip(self._outputs, arrays, strict=True))
