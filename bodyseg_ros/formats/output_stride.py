"""Give a MobileNetV1 of 2018 another output stride: its weights serve all of them, its file has one.

Source: ``toOutputStridedLayers`` in tfjs-models ``body-pix/src/mobilenet.ts`` (body-pix 1.1.2), which builds the
network from the weights instead of running the file's graph.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from ..errors import ModelFileError
from .graphdef import node_of

__all__ = ["set_output_stride"]

#: Stride of block 0 (a plain convolution) and of the 13 separable blocks after it. At full width block 12 strides too.
_STRIDES: Final = (2, 1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 1, 1)
_LATE_BLOCK: Final = 12
_FULL_WIDTH_FILTERS: Final = 1024
_BLOCK: Final = re.compile(r"MobilenetV1/Conv2d_(\d+)(?:_depthwise/depthwise_weights|/weights)")


def set_output_stride(graph: Any, output_stride: int, path: Path) -> None:
    """Set strides and dilations in a GraphDef so that its heads have one cell per `output_stride` network px.

    Blocks that would go beyond it keep their input's grid and look around in wider steps instead. Narrow networks end
    at 16, as in the reference: for 32 they stay there. Raises ModelFileError for a graph without the 14 blocks.
    """
    blocks, filters = _convolutions(graph), _last_filters(graph)
    if sorted(blocks) != list(range(len(_STRIDES))):
        raise ModelFileError(
            f"The model {str(path)!r} is not a MobileNetV1 of 2018: it has {len(blocks)} blocks named "
            f"MobilenetV1/Conv2d_…, but {len(_STRIDES)} are needed to set its output stride."
        )
    current = rate = 1
    for block, stride in enumerate(_STRIDES):
        nominal = 2 if block == _LATE_BLOCK and filters == _FULL_WIDTH_FILTERS else stride
        if current == output_stride:
            _set(blocks[block], 1, rate)
            rate *= nominal
        else:
            _set(blocks[block], nominal, 1)
            current *= nominal


def _convolutions(graph: Any) -> dict[int, Any]:
    """Block number → its convolution with a stride: of block 0 the only one, then the depthwise ones."""
    blocks = {}
    for node in graph.node:
        kernel = _BLOCK.fullmatch(node_of(node.input[1])) if len(node.input) > 1 else None
        if kernel and node.op in ("Conv2D", "DepthwiseConv2dNative"):
            blocks[int(kernel[1])] = node
    return blocks


def _last_filters(graph: Any) -> int:
    """Filters of the last block; 0 if it is missing."""
    for node in graph.node:
        if node.name == "MobilenetV1/Conv2d_13_pointwise/weights":
            return int(node.attr["value"].tensor.tensor_shape.dim[-1].size)
    return 0


def _set(node: Any, stride: int, rate: int) -> None:
    node.attr["strides"].list.i[:] = [1, stride, stride, 1]
    node.attr["dilations"].list.i[:] = [1, rate, rate, 1]
