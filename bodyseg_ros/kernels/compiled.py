"""Python functions for the compiled kernels, one per kernel. Only this module uses the library.

The caller of each function has the NumPy version, used if no library was built (`LIBRARY` is None). Kernels release
the GIL.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from ctypes import CDLL, Structure, byref, c_double, c_float, c_int, c_int32, c_int64, c_void_p
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..body import KEYPOINT_NAMES, POSE_TREE
from ..decoder_inputs import LongOffsets, PoseHeads, PoseLimits
from ..geometry import Geometry, Taps, input_taps, source_taps
from ..types import Poses

__all__ = [
    "LIBRARY",
    "can_read",
    "confidence_map",
    "decode_poses",
    "instance_map",
    "part_map",
    "person_map",
    "resize_padded",
]

_log = logging.getLogger(__name__)

#: The library's KERNELS_VERSION: one left from an older source is not used.
_VERSION: Final = 2
_JOINTS: Final = len(KEYPOINT_NAMES)
_TREE: Final = np.array(POSE_TREE, np.int32)


class _Taps(Structure):
    """`Taps` in kernels.h."""

    _fields_ = [
        ("lower", c_void_p),
        ("upper", c_void_p),
        ("lower_weight", c_void_p),
        ("upper_weight", c_void_p),
        ("count", c_int32),
    ]


class _Grid(Structure):
    """`Grid` in maps.c."""

    _fields_ = [
        ("height", c_int32),
        ("width", c_int32),
        ("channels", c_int32),
        ("row_step", c_int32),
        ("column_step", c_int32),
        ("row_nodes", c_void_p),
        ("column_nodes", c_void_p),
        ("rows", _Taps),
        ("columns", _Taps),
    ]


class _Heads(Structure):
    """`Heads` in poses.c."""

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


class _OffsetField(Structure):
    """`OffsetField` in instances.c."""

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
        ("tables", c_void_p),
        ("max_distance", c_float),
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
    """Load the library beside this file; None, with a log line, if it is missing or incompatible."""
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
        _log.warning("The compiled kernels in %s cannot be used (%s); using NumPy instead.", spec.origin, err)
        return None
    if version != _VERSION:
        name = Path(spec.origin).name
        _log.warning("%s has version %d, not %d; using NumPy instead. Reinstall the package.", name, version, _VERSION)
        return None
    return library


#: None without a library: use the NumPy version.
LIBRARY: CDLL | None = _load()


def resize_padded(
    image: NDArray[np.uint8], geometry: Geometry, scale: Sequence[float], offset: Sequence[float]
) -> NDArray[np.float32]:
    """resize.c. image: (H, W, 3) uint8 of any strides. Returns (input_height, input_width, 3) float32."""
    if image.strides[1:] != (3, 1):
        image = np.ascontiguousarray(image)
    rows, columns = input_taps(geometry)
    factors, summands = np.array(scale, np.float32), np.array(offset, np.float32)
    resized = np.empty((geometry.input_height, geometry.input_width, 3), np.float32)
    _call(
        "resize_padded", image.ctypes.data, image.strides[0], image.shape[1], _taps_of(rows), _taps_of(columns),
        *(_address(array, np.float32) for array in (factors, summands, resized)),
    )  # fmt: skip
    return resized


def can_read(head: NDArray[np.float32], geometry: Geometry) -> bool:
    """Whether the kernels in maps.c can decode a head (h, w, C): each cell must have an integer number of network px.

    Raises ValueError for an empty head.
    """
    if not head.size:
        raise ValueError(f"A decoder needs a head of at least one number, but this one is {head.shape}.")
    return LIBRARY is not None and _grid_of(*head.shape, geometry) is not None


def confidence_map(segments: NDArray[np.float32], geometry: Geometry) -> NDArray[np.float32]:
    """`person_map` in maps.c, for its scores: (h, w, 1) logits to (H, W) person probability."""
    scores = np.empty((geometry.height, geometry.width), np.float32)
    logits = np.ascontiguousarray(segments, np.float32)
    grid = _grid_of(*segments.shape, geometry)
    _call("person_map", grid, _address(logits, np.float32), 0.0, _address(scores, np.float32), None)
    return scores


def person_map(segments: NDArray[np.float32], geometry: Geometry, threshold: float) -> NDArray[np.uint8]:
    """`person_map` in maps.c, for the mask alone: (h, w, 1) logits to (H, W), 0 or 1."""
    person = np.empty((geometry.height, geometry.width), np.uint8)
    logits = np.ascontiguousarray(segments, np.float32)
    grid = _grid_of(*segments.shape, geometry)
    _call("person_map", grid, _address(logits, np.float32), threshold, None, _address(person, np.uint8))
    return person


def part_map(part_heatmaps: NDArray[np.float32], person: NDArray[np.uint8], geometry: Geometry) -> NDArray[np.int8]:
    """`part_map` in maps.c: (h, w, C) logits and a person mask to (H, W) part ids."""
    parts = np.empty(person.shape, np.int8)
    candidates = np.empty(part_heatmaps.shape[2], np.int32)
    logits = np.ascontiguousarray(part_heatmaps, np.float32)
    mask = _mask_of(person, geometry)
    arrays = _address(logits, np.float32), _address(mask, np.uint8)
    grid = _grid_of(*part_heatmaps.shape, geometry)
    _call("part_map", grid, *arrays, _address(candidates, np.int32), _address(parts, np.int8))
    return parts


def decode_poses(
    heads: PoseHeads, limits: PoseLimits
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """poses.c. Returns keypoints (N, 17, 2) network px, their scores (N, 17), the people's scores (N,)."""
    arrays = [np.ascontiguousarray(head, np.float32) for head in heads.arrays]
    addresses = (_address(head, np.float32) for head in arrays)
    struct = _Heads(*addresses, *heads.scores.shape[:2], heads.stride, _address(_TREE, np.int32))
    keypoints = np.empty((limits.max_people, _JOINTS, 2), np.float64)
    joint_scores, scores = np.empty(keypoints.shape[:2], np.float64), np.empty(limits.max_people, np.float64)
    found = (_address(array, np.float64) for array in (keypoints, joint_scores, scores))
    count = _call(
        "decode_poses", struct, limits.max_people, limits.score_threshold, limits.nms_radius * limits.nms_radius, *found
    )
    return keypoints[:count], joint_scores[:count], scores[:count]


def instance_map(
    field: LongOffsets,
    person: NDArray[np.uint8],
    poses: Poses,
    seen: NDArray[np.bool_],
    *,
    steps: int,
    max_distance_px2: float,
) -> NDArray[np.int16]:
    """instances.c: (H, W) index into `poses`. seen: (people, 17), the keypoints that count."""
    height, width = field.offsets.shape[:2]
    joints = np.flatnonzero(seen.any(axis=0)).astype(np.int32)
    offsets = np.ascontiguousarray(field.offsets, np.float32)
    mask = _mask_of(person, field.geometry)
    keypoints = np.ascontiguousarray(poses.keypoints[:, joints])
    shown = np.ascontiguousarray(seen[:, joints], np.uint8)
    tables = _axis_tables(height, width, field.geometry, field.stride)
    struct = _OffsetField(
        _address(offsets, np.float32), height, width, len(joints), len(poses), steps,
        _address(joints, np.int32), _address(keypoints, np.float32), _address(shown, np.uint8),
        _address(tables, np.float32), max_distance_px2,
    )  # fmt: skip
    owners = np.empty(person.shape, np.int16)
    scale = max(field.geometry.scale_yx)
    # If the network input is larger than the image, steps overshoot, and neighboring pixels are not comparable.
    block = 1 if scale > 1 else 2 ** round(math.log2(field.stride / scale))
    _call("instance_map", struct, _address(mask, np.uint8), *person.shape, block, _address(owners, np.int16))
    return owners


def _address(array: NDArray[Any], dtype: type[np.generic]) -> int:
    """Address of a contiguous array of that dtype. Raises TypeError for others, which C would misread."""
    if array.dtype != dtype or not array.flags.c_contiguous:
        raise TypeError(f"A kernel takes contiguous {np.dtype(dtype)}, but this is {array.dtype}, {array.strides=}.")
    return array.ctypes.data


def _call(name: str, *arguments: Any) -> int:
    """Call a kernel; structs are passed by address. Raises MemoryError."""
    answer: int = getattr(LIBRARY, name)(*(byref(one) if isinstance(one, Structure) else one for one in arguments))
    if answer < 0:
        raise MemoryError(f"The kernel {name} could not allocate memory for an image of this size.")
    return answer


def _mask_of(person: NDArray[np.uint8], geometry: Geometry) -> NDArray[np.uint8]:
    """Return the mask, contiguous. Raises ValueError for another size, since C would read past its end."""
    if person.shape != (geometry.height, geometry.width):
        expected = (geometry.height, geometry.width)
        raise ValueError(f"A decoder needs a mask of shape {expected}, but this one is {person.shape}.")
    return np.ascontiguousarray(person, np.uint8)


def _taps_of(taps: Taps) -> _Taps:
    """Taps as a kernel struct. It stores addresses, so the taps must outlive it."""
    indices = (_address(index, np.int32) for index in (taps.lower, taps.upper))
    weights = (_address(weight, np.float32) for weight in (taps.lower_weight, taps.upper_weight))
    return _Taps(*indices, *weights, len(taps.lower))


@lru_cache(maxsize=16)
def _grid_of(height: int, width: int, channels: int, geometry: Geometry) -> _Grid | None:
    """A head's grid and its mapping to source px; None unless cells have an integer number of network px."""
    cells = max(height - 1, 1), max(width - 1, 1)
    inner = max(geometry.input_height - 1, 1), max(geometry.input_width - 1, 1)
    if any(px % count for px, count in zip(inner, cells, strict=True)):
        return None
    steps = inner[0] // cells[0], inner[1] // cells[1]
    nodes = [np.linspace(0, 1, step + 1, dtype=np.float32) for step in steps]
    taps = source_taps(geometry)
    starts = (_address(places, np.float32) for places in nodes)
    grid = _Grid(height, width, channels, *steps, *starts, *(_taps_of(axis) for axis in taps))
    grid.kept = nodes, taps  # the struct only holds addresses
    return grid


@lru_cache(maxsize=16)
def _axis_tables(height: int, width: int, geometry: Geometry, stride: int) -> NDArray[np.float32]:
    """`AxisTables` in instances.c, (4, 34): factor, shift, high, last.

    Source pixel p is at ((pad + p + 1)·scale − 1)/stride on the grid.
    """
    scale = np.array(geometry.scale_yx[::-1])
    pad = np.array([geometry.pad_left, geometry.pad_top])
    last = np.array([geometry.width - 1, geometry.height - 1])
    high = np.clip(((pad + last + 1) * scale - 1) / stride, 0, [width - 1, height - 1])
    tables = [scale / stride, ((pad + 1) * scale - 1) / stride, high, last]
    return np.tile(np.stack(tables), (1, _JOINTS)).astype(np.float32)
