"""What the engines have in common: arrays in and out, packages, threads."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import EngineError, ModelFileError
from ..formats import TensorFacts, short_name

__all__ = [
    "any_size",
    "as_float",
    "as_input",
    "chosen_outputs",
    "first_line",
    "may_use_nvidia",
    "only_input",
    "thread_count",
]


def may_use_nvidia(module: str) -> bool:
    """Whether there is a driver of an NVIDIA GPU and a package for it, without loading anything of either."""
    return find_spec(module) is not None and any(
        Path(place).exists() for place in ("/dev/nvidiactl", "/dev/nvhost-gpu", "/dev/nvgpu", "/dev/dxg")
    )


def thread_count(threads: int) -> int:
    """Threads to run with: as many as asked for; 0: as many as there are cores for this process."""
    if threads:
        return threads
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def only_input(inputs: Sequence[TensorFacts], path: Path) -> TensorFacts:
    """Return the only input. Raises ModelFileError unless the file has exactly one."""
    if len(inputs) != 1:
        names = ", ".join(entry.name for entry in inputs) or "none"
        raise ModelFileError(f"The model {str(path)!r} must have one input, an image; its inputs are {names}.")
    return inputs[0]


def any_size(facts: TensorFacts) -> TensorFacts:
    """Return the input with height and width left open: .tflite files declare the size they were made with."""
    return replace(facts, shape=tuple(None if place in (1, 2) else side for place, side in enumerate(facts.shape)))


def chosen_outputs(wanted: Mapping[str, str], names: Sequence[str], path: Path) -> dict[str, int]:
    """Map output names to indices in the file's `names`; all of them under their own names if none is wanted.

    A converter may shorten 'MobilenetV1/heatmap_2/BiasAdd' to 'heatmap_2', or add ':0': such names mean the same.
    Raises ModelFileError for a name that the file does not have.
    """
    places = {short: place for place, name in enumerate(names) for short in (short_name(name), name)}
    chosen = {}
    for head, name in wanted.items() or {name: name for name in names}.items():
        place = places.get(name, places.get(short_name(name)))
        if place is None:
            raise ModelFileError(
                f"The model {str(path)!r} has no output {name!r}; its outputs are {', '.join(names) or 'none'}."
            )
        chosen[head] = place
    return chosen


def as_input(tensor: NDArray[Any], want: TensorFacts) -> NDArray[Any]:
    """Convert a tensor to the file's dtype: unchanged if it matches, float32 quantized by the input's scale.

    Raises EngineError for another dtype, shape or number of dimensions; open sides accept any length.
    """
    if not _fits(tensor, want):
        have = f"{tensor.dtype} {tensor.shape}" if isinstance(tensor, np.ndarray) else type(tensor).__name__
        size = "×".join("any" if side is None else str(side) for side in want.shape)
        kinds = want.dtype if not want.scale or want.dtype == "float32" else f"float32 or {want.dtype}"
        raise EngineError(f"The network takes a {kinds} array of {size}, but it was given {have}.")
    if tensor.dtype.name == want.dtype:
        return np.ascontiguousarray(tensor)
    if want.dtype.startswith("float"):
        return tensor.astype(want.dtype)
    limits = np.iinfo(want.dtype)
    levels = np.rint(tensor / np.float32(want.scale)) + np.float32(want.zero_point)
    return np.clip(levels, limits.min, limits.max).astype(want.dtype)


def _fits(tensor: object, want: TensorFacts) -> bool:
    if not isinstance(tensor, np.ndarray) or tensor.ndim != len(want.shape):
        return False
    convertible = tensor.dtype == np.float32 and (want.scale > 0 or want.dtype.startswith("float"))
    return (tensor.dtype.name == want.dtype or convertible) and all(
        side > 0 and wanted in (None, side) for side, wanted in zip(tensor.shape, want.shape, strict=True)
    )


def as_float(array: NDArray[Any], facts: TensorFacts) -> NDArray[Any]:
    """Convert an output for the network: float32 from quantized values or other floats; labels unchanged."""
    if facts.scale > 0 and array.dtype.kind in "iu":
        return (array.astype(np.float32) - np.float32(facts.zero_point)) * np.float32(facts.scale)
    return array.astype(np.float32, copy=False) if array.dtype.kind == "f" else array


def first_line(err: BaseException) -> str:
    """First line of a backend's error, without a full stop."""
    lines = str(err).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(err).__name__
