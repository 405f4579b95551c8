"""What travels between the stages: frozen, checked where it is built, nothing else.

Images are RGB everywhere; BGR exists only inside ``media`` and ``graph``. Coordinates are (x, y) in pixels
of the source image, pixel centres at whole numbers.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .body import KEYPOINT_NAMES, POSE_TREE
from .errors import EngineError, FrameError
from .geometry import Geometry

__all__ = [
    "MAP_CONFIDENCE",
    "MAP_PARTS",
    "MAP_PERSON",
    "Frame",
    "LongOffsets",
    "MapsWanted",
    "Outputs",
    "PoseHeads",
    "PoseLimits",
    "Poses",
    "Prepared",
    "Result",
    "Wanted",
    "check_offsets",
]

#: Pictures above this are refused: a hostile header must not take the memory. 100 megapixels.
MAX_PIXELS = 100_000_000

#: Offsets beyond this are no network's: they come from a broken file or overflow.
MAX_OFFSET_PX: Final = 1_000_000

#: Names of the maps that an engine may add to a network's tensors; the colon keeps them apart from any file's names.
MAP_CONFIDENCE: Final = "map:confidence"
MAP_PERSON: Final = "map:person"
MAP_PARTS: Final = "map:parts"


class Wanted(enum.Flag):
    """What somebody asks of a frame; a stage runs only if it is asked for."""

    CONFIDENCE = enum.auto()
    PERSON = enum.auto()
    PARTS = enum.auto()
    POSES = enum.auto()
    INSTANCES = enum.auto()
    CLASSES = enum.auto()
    NOTHING = 0
    EVERYTHING = CONFIDENCE | PERSON | PARTS | POSES | INSTANCES | CLASSES


def _need(array: Any, name: str, dtypes: tuple[type, ...], shape: tuple[int | None, ...]) -> None:
    """Raise FrameError unless `array` has one of `dtypes` and `shape` (None: any length)."""
    fits = isinstance(array, np.ndarray) and array.dtype.type in dtypes and array.ndim == len(shape)
    if not fits or any(want not in (None, have) for want, have in zip(shape, array.shape, strict=True)):
        have = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
        kinds = " or ".join(np.dtype(kind).name for kind in dtypes)
        size = "×".join("any" if side is None else str(side) for side in shape)
        raise FrameError(f"{name} must be a {kinds} array of shape {size}, but it is {have}.")


@dataclass(frozen=True)
class Frame:
    """One picture on its way in.

    image: (H, W, 3) uint8, RGB. stamp_ns: time of the picture, nanoseconds. frame_id: the camera's name.
    background: what a topic offers to stand behind people, (h, w, 3) uint8 RGB of any size, None if nothing.
    Raises FrameError for another shape or dtype, an empty picture, or one above 100 megapixels.
    """

    image: NDArray[np.uint8]
    stamp_ns: int = 0
    frame_id: str = ""
    background: NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        _need(self.image, "A frame's image", (np.uint8,), (None, None, 3))
        height, width = self.image.shape[:2]
        if height < 1 or width < 1:
            raise FrameError(f"A frame's image must have at least one pixel, but it is {width}×{height}.")
        if height * width > MAX_PIXELS:
            raise FrameError(
                f"A frame's image may have at most {MAX_PIXELS:,} pixels, but it is {width}×{height}; "
                "make it smaller first."
            )

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.image.shape[0], self.image.shape[1]


@dataclass(frozen=True)
class Prepared:
    """A frame as the network wants it: tensor (1, h, w, 3) and the geometry that undoes it."""

    tensor: NDArray[Any]
    geometry: Geometry

    def __post_init__(self) -> None:
        if self.tensor.ndim != 4 or self.tensor.shape[0] != 1:
            raise FrameError(f"A prepared tensor must have shape 1×h×w×c, but it is {self.tensor.shape}.")


@dataclass(frozen=True)
class MapsWanted:
    """Which maps of the source's size an engine may make of the network's heads, where it runs it: person, and others.

    threshold: a pixel above it is a person. segments, part_heatmaps: what these heads' tensors are called; their
    channels come last.
    """

    geometry: Geometry
    threshold: float
    confidence: bool
    parts: bool
    segments: re.Pattern[str]
    part_heatmaps: re.Pattern[str]


class Outputs(Mapping[str, NDArray[np.float32]]):
    """A network's answer: float32 arrays (h, w, channels) by head name, all on one grid of `stride` network px.

    Raises EngineError where a head has another shape than its neighbours, or holds NaN or infinity.
    """

    def __init__(self, heads: Mapping[str, NDArray[Any]], stride: int) -> None:
        self.stride = stride
        self._heads = {name: self._checked(name, array) for name, array in heads.items()}
        grids = {array.shape[:2] for array in self._heads.values()}
        if len(grids) > 1:
            shapes = ", ".join(f"{name} {array.shape}" for name, array in self._heads.items())
            raise EngineError(f"The network's outputs must share one grid, but they are {shapes}.")

    @staticmethod
    def _checked(name: str, array: NDArray[Any]) -> NDArray[np.float32]:
        if array.ndim == 4 and array.shape[0] == 1:
            array = array[0]
        if array.ndim != 3:
            raise EngineError(f"The network's output {name!r} must be h×w×channels, but it is {array.shape}.")
        array = np.ascontiguousarray(array, dtype=np.float32)
        if not np.isfinite(array).all():
            raise EngineError(
                f"The network's output {name!r} holds NaN or infinity; the frame is unusable. "
                "Check the model file and the engine's precision."
            )
        return array

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        try:
            return self._heads[name]
        except KeyError:
            have = ", ".join(self._heads) or "none"
            raise EngineError(f"The network has no output {name!r}; it has {have}.") from None

    def __contains__(self, name: object) -> bool:
        return name in self._heads

    def __iter__(self) -> Iterator[str]:
        return iter(self._heads)

    def __len__(self) -> int:
        return len(self._heads)


def check_offsets(name: str, head: NDArray[np.float32]) -> None:
    """Raise EngineError, naming the head, unless all of its offsets are within 1,000,000 network px."""
    farthest = max(float(head.max(initial=0.0)), -float(head.min(initial=0.0)))  # NaN where there is one
    if not farthest <= MAX_OFFSET_PX:
        raise EngineError(
            f"The network's output {name!r} points {farthest:g} px away, but at most {MAX_OFFSET_PX:,} px make sense; "
            "the frame is unusable. Check the model file and the engine's precision."
        )


@dataclass(frozen=True)
class PoseHeads:
    """The heads that poses are decoded from, on one grid of `stride` network px.

    scores: (h, w, 17) float32, 0 to 1: heatmaps after the sigmoid. short_offsets: (h, w, 34) and displacement_fwd,
    displacement_bwd: (h, w, 32) float32 network px, y before x.
    Raises EngineError, naming the head, for another shape, NaN, or offsets beyond 1,000,000 px.
    """

    scores: NDArray[np.float32]
    short_offsets: NDArray[np.float32]
    displacement_fwd: NDArray[np.float32]
    displacement_bwd: NDArray[np.float32]
    stride: int

    def __post_init__(self) -> None:
        grid, joints = self.scores.shape[:2], len(KEYPOINT_NAMES)
        channels = (joints, 2 * joints, 2 * len(POSE_TREE), 2 * len(POSE_TREE))
        names = ("heatmaps", "short_offsets", "displacement_fwd", "displacement_bwd")
        for name, head, count in zip(names, self.arrays, channels, strict=True):
            _check_head(name, head, (*grid, count))
        if not np.isfinite(self.scores).all():
            raise EngineError("The network's output 'heatmaps' holds NaN or infinity; the frame is unusable.")
        for name, head in zip(names[1:], self.arrays[1:], strict=True):
            check_offsets(name, head)

    @property
    def arrays(self) -> tuple[NDArray[np.float32], ...]:
        """The four heads in the order of the fields."""
        return self.scores, self.short_offsets, self.displacement_fwd, self.displacement_bwd


@dataclass(frozen=True)
class PoseLimits:
    """Which poses are kept: at most `max_people`, best first, from roots that reach `score_threshold`.

    Two roots of the same keypoint within `nms_radius`, network px, are one person.
    """

    max_people: int
    score_threshold: float
    nms_radius: float


@dataclass(frozen=True)
class LongOffsets:
    """From each pixel to its person's keypoints: (h, w, 34) float32 network px on a grid of `stride` network px.

    y of keypoint k in channel k, x in k + 17.
    Raises EngineError for another shape, NaN, or offsets beyond 1,000,000 px.
    """

    offsets: NDArray[np.float32]
    stride: int
    geometry: Geometry

    def __post_init__(self) -> None:
        _check_head("long_offsets", self.offsets, (*self.offsets.shape[:2], 2 * len(KEYPOINT_NAMES)))
        check_offsets("long_offsets", self.offsets)


def _check_head(name: str, head: NDArray[np.float32], expected: tuple[int, ...]) -> None:
    if head.shape != expected:
        raise EngineError(f"The network's output {name!r} is {head.shape}, but it must be {expected}.")


@dataclass(frozen=True)
class Poses:
    """People as 17 keypoints each, best first.

    keypoints: (N, 17, 2) float32, x then y, source px. keypoint_scores: (N, 17) float32, 0 to 1.
    scores: (N,) float32, 0 to 1.
    """

    keypoints: NDArray[np.float32]
    keypoint_scores: NDArray[np.float32]
    scores: NDArray[np.float32]

    def __post_init__(self) -> None:
        _need(self.scores, "Pose scores", (np.float32,), (None,))
        people, joints = len(self.scores), len(KEYPOINT_NAMES)
        _need(self.keypoints, "Keypoints", (np.float32,), (people, joints, 2))
        _need(self.keypoint_scores, "Keypoint scores", (np.float32,), (people, joints))

    @classmethod
    def none(cls) -> Poses:
        """No people."""
        joints = len(KEYPOINT_NAMES)
        return cls(np.zeros((0, joints, 2), np.float32), np.zeros((0, joints), np.float32), np.zeros(0, np.float32))

    def __len__(self) -> int:
        return len(self.scores)

    def only(self, keep: NDArray[np.bool_]) -> Poses:
        """The people where `keep` (N,) is true, in the same order."""
        return Poses(self.keypoints[keep], self.keypoint_scores[keep], self.scores[keep])


@dataclass(frozen=True)
class Result:
    """What was seen in one frame, in the frame's own pixels; a field is None if nobody asked for it.

    person: (H, W) uint8, 1 person, 0 not. confidence: (H, W) float32, person probability 0 to 1.
    parts: (H, W) int8, index into PART_NAMES, -1 background.
    instances: (H, W) int16, index into `poses` of the person a pixel belongs to, -1 nobody's.
    poses: the people. classes: (H, W) uint8, index into the model card's classes.
    alpha: (H, W) uint8, a person's share of each pixel, 255 all, where an effect has made soft edges.
    mirrored: the result lies on the frame's mirror image (`flip_horizontal`).
    """

    size: tuple[int, int]
    person: NDArray[np.uint8] | None = None
    confidence: NDArray[np.float32] | None = None
    parts: NDArray[np.int8] | None = None
    instances: NDArray[np.int16] | None = None
    poses: Poses | None = None
    classes: NDArray[np.uint8] | None = None
    alpha: NDArray[np.uint8] | None = None
    mirrored: bool = False

    def __post_init__(self) -> None:
        if self.person is not None:
            _need(self.person, "A person mask", (np.uint8,), self.size)
        if self.confidence is not None:
            _need(self.confidence, "A confidence map", (np.float32,), self.size)
        if self.parts is not None:
            _need(self.parts, "A part map", (np.int8,), self.size)
        if self.instances is not None:
            _need(self.instances, "An instance map", (np.int16,), self.size)
        if self.classes is not None:
            _need(self.classes, "A class map", (np.uint8,), self.size)
        if self.alpha is not None:
            _need(self.alpha, "Soft edges", (np.uint8,), self.size)

    def person_mask(self, index: int) -> NDArray[np.uint8]:
        """The mask of one person: (H, W) uint8, 1 where the pixel is person `index`'s."""
        if self.instances is None:
            raise ValueError("No instances were asked for; ask for Wanted.INSTANCES.")
        return np.equal(self.instances, index).view(np.uint8)

    def person_parts(self, index: int) -> NDArray[np.int8]:
        """The part map of one person: (H, W) int8, -1 where the pixel is not person `index`'s."""
        if self.instances is None or self.parts is None:
            raise ValueError("Instances or parts were not asked for; ask for Wanted.INSTANCES | Wanted.PARTS.")
        return np.where(self.instances == index, self.parts, np.int8(-1))
