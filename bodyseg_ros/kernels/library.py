"""The compiled kernels, and how arrays reach them.

Other threads run while a kernel does. Every kernel has a plain version in NumPy, which does the same where the library
is missing.
"""

from __future__ import annotations

import logging
from ctypes import CDLL, Structure, byref, c_double, c_float, c_int, c_int32, c_int64, c_void_p
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["KERNELS", "Field", "Grid", "Heads", "TapsOfAxis", "address", "call"]

_log = logging.getLogger(__name__)

#: The library's KERNELS_VERSION: one left from an older source is not used.
_VERSION: Final = 1


class TapsOfAxis(Structure):
    """`Taps` in kernels.h."""

    _fields_ = [
        ("lower", c_void_p),
        ("upper", c_void_p),
        ("lower_weight", c_void_p),
        ("upper_weight", c_void_p),
        ("count", c_int32),
    ]


class Grid(Structure):
    """`Grid` in maps.c."""

    _fields_ = [
        ("height", c_int32),
        ("width", c_int32),
        ("channels", c_int32),
        ("row_step", c_int32),
        ("column_step", c_int32),
        ("row_nodes", c_void_p),
        ("column_nodes", c_void_p),
        ("rows", TapsOfAxis),
        ("columns", TapsOfAxis),
    ]


class Heads(Structure):
    """`Heads` in people.c."""

    _fields_ = [
        ("scores", c_void_p),
        ("offsets", c_void_p),
        ("forward", c_void_p),
        ("backward", c_void_p),
        ("height", c_int32),
        ("width", c_int32),
        ("stride", c_int32),
        ("tree", c_void_p),
    ]


class Field(Structure):
    """`Field` in people.c."""

    _fields_ = [
        ("offsets", c_void_p),
        ("height", c_int32),
        ("width", c_int32),
        ("joint_count", c_int32),
        ("people", c_int32),
        ("steps", c_int32),
        ("joints", c_void_p),
        ("keypoints", c_void_p),
        ("seen", c_void_p),
        ("lanes", c_void_p),
        ("farthest", c_float),
    ]


#: Kernel → its arguments; arrays and structs go as addresses.
_ARGUMENTS: Final = {
    "resize_padded": (c_void_p, c_int64, c_int32, c_void_p, c_void_p, c_void_p, c_void_p, c_void_p),
    "person_map": (c_void_p, c_void_p, c_float, c_void_p, c_void_p),
    "part_map": (c_void_p, c_void_p, c_void_p, c_void_p, c_void_p),
    "decode_poses": (c_void_p, c_int32, c_double, c_double, c_void_p, c_void_p, c_void_p),
    "instance_map": (c_void_p, c_void_p, c_int32, c_int32, c_int32, c_void_p),
}


def _load() -> CDLL | None:
    """The library beside this file. None, and a line in the log, where it is missing or does not fit."""
    spec = find_spec(f"{__package__}._kernels")
    if spec is None or spec.origin is None:
        return None
    try:
        library = CDLL(spec.origin)
        version = library.kernels_version()
        for name, arguments in _ARGUMENTS.items():
            kernel = getattr(library, name)
            kernel.argtypes, kernel.restype = arguments, c_int
    except (OSError, AttributeError) as err:
        _log.warning("The compiled kernels in %s cannot be used (%s); NumPy does their work.", spec.origin, err)
        return None
    if version != _VERSION:
        name = Path(spec.origin).name
        _log.warning("%s is of version %d, not %d; NumPy does its work. Install again.", name, version, _VERSION)
        return None
    return library


#: None where no library was built: use the plain version.
KERNELS: CDLL | None = _load()


def address(array: NDArray[Any], dtype: type[np.generic]) -> int:
    """Where a contiguous array of that type begins. Raises TypeError for any other, which C would misread."""
    if array.dtype != dtype or not array.flags.c_contiguous:
        raise TypeError(f"A kernel takes contiguous {np.dtype(dtype)}, but this is {array.dtype}, {array.strides=}.")
    return array.ctypes.data


def call(name: str, *arguments: Any) -> int:
    """What a kernel returns; structs are handed over by their addresses. Raises MemoryError."""
    answer: int = getattr(KERNELS, name)(*(byref(one) if isinstance(one, Structure) else one for one in arguments))
    if answer < 0:
        raise MemoryError(f"The kernel {name} got no memory for a picture of this size.")
    return answer
