"""Write the green-screen network: python -m bodyseg_green_screen.model green_screen.onnx."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

__all__ = ["write_model"]


def write_model(path: Path) -> None:
    """A pixel's greenness, sigmoid(16 · (g − (r + b) / 2) − 4), as one convolution."""
    weights = {
        "weights": np.array([-8, 16, -8], np.float32).reshape(1, 3, 1, 1),
        "bias": np.array([-4], np.float32),
    }
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["picture", "weights", "bias"], ["logit"]),
            helper.make_node("Sigmoid", ["logit"], ["green"]),
        ],
        "green_screen",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, "H", "W"])],
        [helper.make_tensor_value_info("green", TensorProto.FLOAT, [1, 1, "H", "W"])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))


if __name__ == "__main__":
    write_model(Path(sys.argv[1]))
