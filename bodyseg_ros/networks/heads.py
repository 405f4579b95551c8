"""Which of a file's outputs is which head of BodyPix or PoseNet."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import EngineError
from ..geometry import Geometry
from ..types import Outputs

__all__ = ["HEAD_CHANNELS", "HEAD_NAMES", "named_heads"]

#: Head → part of its tensor name in the published files: `float_segments`, `heatmap_2`, `offset_2`, …
HEAD_NAMES: Final = {
    "segments": re.compile(r"(?<![a-z])segment"),
    "part_heatmaps": re.compile(r"part_heatmap"),
    "heatmaps": re.compile(r"(?<!part_)heatmap"),
    "long_offsets": re.compile(r"long_offset"),
    "short_offsets": re.compile(r"short_offset|(?<!long_)(?<!part_)(?<!mid_)(?<!short_)offset"),
    "displacement_fwd": re.compile(r"displacement_fwd"),
    "displacement_bwd": re.compile(r"displacement_bwd"),
}
#: Coral's files have both displacements in one tensor, forward first.
_BOTH_DISPLACEMENTS: Final = re.compile(r"displacements|mid_offset")

#: Channels of each head.
HEAD_CHANNELS: Final = {
    "segments": 1,
    "part_heatmaps": 24,
    "heatmaps": 17,
    "long_offsets": 34,
    "short_offsets": 34,
    "displacement_fwd": 32,
    "displacement_bwd": 32,
}


def named_heads(
    outputs: Mapping[str, NDArray[Any]], needed: tuple[str, ...], geometry: Geometry, stride: int, layout: str = "nhwc"
) -> Outputs:
    """Map the engine's tensors to head names, channels last, and check their grid.

    The returned stride is the file's and may be finer than `stride`. Raises EngineError if a needed head is missing,
    or has wrong channels or a wrong grid.
    """
    heads = _find_heads(outputs, layout)
    missing = [head for head in needed if head not in heads]
    if missing:
        raise EngineError(
            f"The model has no output for {', '.join(missing)}; its outputs are {', '.join(outputs) or 'none'}. "
            "Is it a model of this network?"
        )
    shape = next((array.shape for array in heads.values()), (0, 0))
    finer = [less for less in (16, 8) if less < stride and shape[-3:-1] == _grid(geometry, less)]
    if finer and shape[-3:-1] != _grid(geometry, stride):
        stride = finer[0]
    checked = Outputs(heads, stride)
    for head, array in checked.items():
        expected = (*_grid(geometry, stride), HEAD_CHANNELS[head])
        if array.shape != expected:
            raise EngineError(
                f"The output {head} is {array.shape}, but a {geometry.input_height}×{geometry.input_width} input at "
                f"output stride {stride} should give {expected}; check output_stride."
            )
    return checked


def _grid(geometry: Geometry, stride: int) -> tuple[int, int]:
    """(rows, columns) of a head."""
    return (geometry.input_height - 1) // stride + 1, (geometry.input_width - 1) // stride + 1


def _find_heads(outputs: Mapping[str, NDArray[Any]], layout: str) -> dict[str, NDArray[Any]]:
    """Head → tensor, channels last; the first matching name."""
    tensors = dict(outputs)
    if layout == "nchw":
        tensors = {name: np.moveaxis(array, 1, -1) if array.ndim == 4 else array for name, array in outputs.items()}
    heads = {}
    for head, pattern in HEAD_NAMES.items():
        for name, array in tensors.items():
            if pattern.search(name):
                heads[head] = array
                break
    for name, array in tensors.items():
        if _BOTH_DISPLACEMENTS.search(name):
            heads["displacement_fwd"], heads["displacement_bwd"] = np.split(array, 2, axis=-1)
    return heads
