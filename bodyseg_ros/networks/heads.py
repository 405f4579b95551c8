"""Which of a file's outputs is which head of BodyPix or PoseNet."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from numpy.typing import NDArray

from ..errors import EngineError
from ..geometry import Geometry
from ..types import Outputs

__all__ = ["named_heads"]

#: Head → what its tensor's name holds in the published files: `float_segments`, `heatmap_2`, `offset_2`, …
_PATTERNS: Final = {
    "segments": re.compile(r"(?<![a-z])segment"),
    "part_heatmaps": re.compile(r"part_heatmap"),
    "heatmaps": re.compile(r"(?<!part_)heatmap"),
    "long_offsets": re.compile(r"long_offset"),
    "short_offsets": re.compile(r"short_offset|(?<!long_)(?<!part_)(?<!short_)offset"),
    "displacement_fwd": re.compile(r"displacement_fwd"),
    "displacement_bwd": re.compile(r"displacement_bwd"),
}

#: Channels of each head.
_CHANNELS: Final = {
    "segments": 1,
    "part_heatmaps": 24,
    "heatmaps": 17,
    "long_offsets": 34,
    "short_offsets": 34,
    "displacement_fwd": 32,
    "displacement_bwd": 32,
}


def named_heads(
    outputs: Mapping[str, NDArray[Any]], needed: tuple[str, ...], geometry: Geometry, stride: int
) -> Outputs:
    """The engine's tensors under their heads' names, checked against the grid the input must give.

    Raises EngineError where a needed head is missing, or has other channels or another grid.
    """
    heads = {}
    for head, pattern in _PATTERNS.items():
        for name, array in outputs.items():
            if pattern.search(name):
                heads[head] = array
                break
    missing = [head for head in needed if head not in heads]
    if missing:
        raise EngineError(
            f"The model has no output for {', '.join(missing)}; its outputs are {', '.join(outputs) or 'none'}. "
            "Is it a model of this network?"
        )
    checked = Outputs(heads, stride)
    rows, columns = (geometry.input_height - 1) // stride + 1, (geometry.input_width - 1) // stride + 1
    for head, array in checked.items():
        if array.shape != (rows, columns, _CHANNELS[head]):
            raise EngineError(
                f"The output {head} is {array.shape}, but a {geometry.input_height}×{geometry.input_width} input at "
                f"output stride {stride} gives {(rows, columns, _CHANNELS[head])}; check output_stride."
            )
    return checked
