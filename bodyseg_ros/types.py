"""Data types passed between the processing stages: frozen and validated when built.

Images are RGB everywhere; BGR exists only inside ``media`` and ``ros.graph``. Coordinates are (x, y) in pixels of the
source image, with pixel centers at whole numbers.
"""

from __future__ import annotations

import enum
import json
import operator
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from .body import KEYPOINT_NAMES, NO_PART, PART_NAMES
from .errors import EngineError, FrameError, ResultError
from .geometry import Geometry
from .person import Person, TrackState, missing

if TYPE_CHECKING:
    import supervision

    from .media import ImageLike

__all__ = [
    "MAP_CONFIDENCE",
    "MAP_PARTS",
    "MAP_PERSON",
    "Frame",
    "MapsWanted",
    "Outputs",
    "Person",
    "Poses",
    "Prepared",
    "Result",
    "TrackState",
    "Tracks",
    "Wanted",
]

#: Maximum size of an image, 100 megapixels, so that a malicious header cannot exhaust memory.
MAX_PIXELS = 100_000_000

#: Names of maps that an engine may add to a network's tensors; the colon cannot occur in a file's tensor names.
MAP_CONFIDENCE: Final = "map:confidence"
MAP_PERSON: Final = "map:person"
MAP_PARTS: Final = "map:parts"


class Wanted(enum.Flag):
    """What somebody asks of a frame; a stage runs only if it is asked for.

    >>> model.segment(image, wanted=bodyseg.Wanted.PERSON | bodyseg.Wanted.POSES)
    Result 320×320: 1 person, person 51 %
    """

    #: Each names the field of a Result.
    CONFIDENCE = enum.auto()
    PERSON = enum.auto()
    PARTS = enum.auto()
    POSES = enum.auto()
    #: Assignment of pixels to people; includes the poses.
    INSTANCES = enum.auto()
    CLASSES = enum.auto()
    NOTHING = 0
    EVERYTHING = CONFIDENCE | PERSON | PARTS | POSES | INSTANCES | CLASSES


def _require(array: Any, name: str, dtypes: tuple[type, ...], shape: tuple[int | None, ...]) -> None:
    """Raise FrameError unless `array` has one of `dtypes` and `shape` (None: any length)."""
    fits = isinstance(array, np.ndarray) and array.dtype.type in dtypes and array.ndim == len(shape)
    if not fits or any(want not in (None, have) for want, have in zip(shape, array.shape, strict=True)):
        have = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
        kinds = " or ".join(np.dtype(kind).name for kind in dtypes)
        size = "×".join("any" if side is None else str(side) for side in shape)
        article = "an" if kinds.startswith("int") else "a"
        raise FrameError(f"{name} must be {article} {kinds} array of shape {size}, but it is {have}.")


def _equal(one: Any, other: Any, leave_out: str = "") -> bool:
    """Whether two dataclasses of one type are equal; arrays are compared elementwise."""
    for each in fields(one):
        a, b = getattr(one, each.name), getattr(other, each.name)
        same = np.array_equal(a, b) if isinstance(a, np.ndarray) or isinstance(b, np.ndarray) else a == b
        if not same and each.name != leave_out:
            return False
    return True


@dataclass(frozen=True, eq=False, repr=False)
class Frame:
    """One picture on its way in.

    image: (H, W, 3) uint8, RGB. stamp_ns: time of the picture, nanoseconds. frame_id: the camera's or the file's name.
    background: what a topic offers to stand behind people, (h, w, 3) uint8 RGB of any size, None if nothing.
    index: the frame's place in the video or folder that it comes from, from 0.
    Raises FrameError for another shape or dtype, an empty picture, or one above 100 megapixels.

    >>> bodyseg.Frame(image, stamp_ns=40_000_000, frame_id="front")
    Frame 320×320 'front' at 0.040 s
    """

    image: NDArray[np.uint8]
    stamp_ns: int = 0
    frame_id: str = ""
    background: NDArray[np.uint8] | None = None
    index: int = 0

    def __post_init__(self) -> None:
        _require(self.image, "A frame's image", (np.uint8,), (None, None, 3))
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

    def __repr__(self) -> str:
        name = f" {self.frame_id!r}" if self.frame_id else ""
        return f"Frame {self.size[0]}×{self.size[1]}{name} at {self.stamp_ns / 1e9:.3f} s"

    def __eq__(self, other: object) -> bool:
        return _equal(self, other) if isinstance(other, Frame) else NotImplemented


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

    Raises EngineError where a head has another shape than its neighbors, or holds NaN or infinity.
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
                f"The network's output {name!r} contains NaN or infinity; the frame is unusable. "
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


@dataclass(frozen=True, eq=False, repr=False)
class Poses:
    """People as 17 keypoints each, best first.

    keypoints: (N, 17, 2) float32, x then y, source px. keypoint_scores: (N, 17) float32, 0 to 1.
    scores: (N,) float32, 0 to 1. boxes: (N, 4) float32, left, top, right, bottom, source px, where the network finds
    boxes itself; else None.

    >>> result.poses
    Poses of 1 person
    >>> result.poses.keypoints.shape
    (1, 17, 2)
    """

    keypoints: NDArray[np.float32]
    keypoint_scores: NDArray[np.float32]
    scores: NDArray[np.float32]
    boxes: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        _require(self.scores, "Pose scores", (np.float32,), (None,))
        people, joints = len(self.scores), len(KEYPOINT_NAMES)
        _require(self.keypoints, "Keypoints", (np.float32,), (people, joints, 2))
        _require(self.keypoint_scores, "Keypoint scores", (np.float32,), (people, joints))
        if self.boxes is not None:
            _require(self.boxes, "Boxes", (np.float32,), (people, 4))

    @classmethod
    def none(cls) -> Poses:
        """No people.

        >>> bodyseg.Poses.none()
        Poses of no people
        """
        joints = len(KEYPOINT_NAMES)
        return cls(np.zeros((0, joints, 2), np.float32), np.zeros((0, joints), np.float32), np.zeros(0, np.float32))

    def __len__(self) -> int:
        return len(self.scores)

    def __repr__(self) -> str:
        return f"Poses of {_people(len(self))}"

    def __eq__(self, other: object) -> bool:
        return _equal(self, other) if isinstance(other, Poses) else NotImplemented

    def only(self, keep: NDArray[np.bool_]) -> Poses:
        """The people where `keep` (N,) is true, in the same order."""
        boxes = None if self.boxes is None else self.boxes[keep]
        return Poses(self.keypoints[keep], self.keypoint_scores[keep], self.scores[keep], boxes)


@dataclass(frozen=True)
class Tracks:
    """Who the people of a result are: an id and a state each, in their order.

    lost: those of the frame before who are not in this one, as they were seen last; two Tracks that differ in it alone
    are equal.

    >>> for result in model.track("holiday"):
    ...     print(result.tracks.ids, [state.name for state in result.tracks.states])
    (1,) ['NEW']
    """

    ids: tuple[int, ...]
    states: tuple[TrackState, ...]
    lost: tuple[Person, ...] = field(default=(), compare=False)


def _people(count: int) -> str:
    return f"{count or 'no'} {'person' if count == 1 else 'people'}"


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """What was seen in one frame, in the frame's own pixels; a field is None if nobody asked for it.

    person: (H, W) uint8, 1 person, 0 not. confidence: (H, W) float32, person probability 0 to 1.
    parts: (H, W) int8, index into PART_NAMES, -1 background.
    instances: (H, W) int16, index into `poses` of the person a pixel belongs to, -1 nobody's.
    poses: the people. classes: (H, W) uint8, index into `class_names`.
    alpha: (H, W) uint8, a person's share of each pixel, 255 all, where an effect has made soft edges.
    mirrored: the result lies on the frame's mirror image (`flip_horizontal`).
    tracks: who the people are, from frame to frame (`Model.track`).
    class_names: names of the classes. frame: what was looked at, kept by `Model.segment` and `Model.stream`; it has
    the image, `stamp_ns`, `frame_id` and `index`.

    It has a length and can be iterated over: its people. Two results are equal if they hold the same; the frame does
    not count.

    >>> result = model(image)
    >>> result
    Result 320×320: 1 person, person 51 %, confidence, parts, instances
    >>> result.person.dtype, result.person.shape
    (dtype('uint8'), (320, 320))
    >>> for person in result:
    ...     print(person.index, person.box)
    0 (0, 17, 229, 320)
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
    class_names: tuple[str, ...] = ()
    tracks: Tracks | None = None
    frame: Frame | None = None

    def __post_init__(self) -> None:
        if self.person is not None:
            _require(self.person, "A person mask", (np.uint8,), self.size)
        if self.confidence is not None:
            _require(self.confidence, "A confidence map", (np.float32,), self.size)
        if self.parts is not None:
            _require(self.parts, "A part map", (np.int8,), self.size)
        if self.instances is not None:
            _require(self.instances, "An instance map", (np.int16,), self.size)
        if self.classes is not None:
            _require(self.classes, "A class map", (np.uint8,), self.size)
        if self.alpha is not None:
            _require(self.alpha, "Soft edges", (np.uint8,), self.size)
        if self.tracks is not None and not len(self.tracks.ids) == len(self.tracks.states) == len(self):
            raise FrameError(
                f"Tracks must have {_people(len(self))}, like the poses, but they have {len(self.tracks.ids)} ids "
                f"and {len(self.tracks.states)} states."
            )

    def __repr__(self) -> str:
        facts = [] if self.poses is None else [_people(len(self.poses))]
        if self.person is not None:
            facts.append(f"person {np.count_nonzero(self.person) / max(1, self.person.size):.0%}".replace("%", " %"))
        facts += [name for name in ("confidence", "parts", "instances", "classes") if getattr(self, name) is not None]
        mirrored = " (mirrored)" if self.mirrored else ""
        return f"Result {self.size[0]}×{self.size[1]}{mirrored}: {', '.join(facts) or 'nothing was asked for'}"

    def __eq__(self, other: object) -> bool:
        return _equal(self, other, leave_out="frame") if isinstance(other, Result) else NotImplemented

    def __len__(self) -> int:
        return len(self._found())

    def __iter__(self) -> Iterator[Person]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> Person:
        """The person of this index, from 0; from -1 backwards. Raises IndexError beyond, ResultError without poses."""
        found, place = self._found(), operator.index(index)
        if not -len(found) <= place < len(found):
            raise IndexError(f"There is no person {index}: this result has {_people(len(found))}.")
        place %= len(found)
        tracks = self.tracks
        return Person(
            place,
            float(found.scores[place]),
            found.keypoints[place],
            found.keypoint_scores[place],
            self.size,
            self.instances,
            self.parts,
            None if tracks is None else tracks.ids[place],
            None if tracks is None else tracks.states[place],
            None if found.boxes is None else found.boxes[place],
        )

    def _found(self) -> Poses:
        if self.poses is None:
            raise ResultError(missing("people", "POSES"))
        return self.poses

    def label(self, value: int) -> str:
        """The name of a value of `parts`, or where there are none, of `classes`, or of `person`.

        As maskValueToLabel of the reference's body-segmentation 1.0.2. Raises ResultError for a value without a name.

        >>> result.label(12), result.label(-1)
        ('torso_front', 'background')
        """
        if self.parts is not None:
            kind, names = "part", {NO_PART: "background"} | dict(enumerate(PART_NAMES))
        elif self.classes is not None:
            kind, names = "class", dict(enumerate(self.class_names))
        else:
            kind, names = "person mask's value", {0: "background", 1: "person"}
        try:
            return names[int(value)]
        except KeyError:
            known = f"{min(names)} to {max(names)}" if names else "none"
            raise ResultError(f"There is no {kind} {value!r}; there are: {known}.") from None

    # What follows draws, writes and converts. That code stands above the types, so it is imported when called.

    def plot(self, image: ImageLike | None = None) -> NDArray[np.uint8]:
        """The image with masks and skeletons drawn over it: (H, W, 3) uint8 RGB; mirrored where the result is.

        image: needed only where the result does not keep its frame, as one of `Model.run`. Raises ResultError then.

        >>> result.plot().shape
        (320, 320, 3)
        """
        from .result_export import picture

        return picture(self, image)

    def save(self, path: str | Path) -> None:
        """Write the result: what the file holds goes by the suffix. It appears whole or not at all.

        .png, .jpg: `plot()`. .json: `to_json()`. .npz: the arrays that there are, by the names person, confidence,
        parts, instances, classes, keypoints, keypoint_scores, scores.
        Raises ResultError for another suffix, MediaError where the file cannot be written.

        >>> result.save("seen.png")
        >>> result.save("seen.npz")
        >>> np.load("seen.npz")["keypoints"].shape
        (1, 17, 2)
        """
        from .result_export import save

        save(self, Path(path))

    def to_dict(self) -> dict[str, Any]:
        """The people in plain types that JSON knows; what was not computed is None.

        height, width, mirrored; frame: index, stamp_ns, frame_id; person_share: of the pixels, 0 to 1;
        people: index, id and state (None without tracking), score, box (left, top, right, bottom), area_px, polygon
        (outlines of x, y), parts (names of those that are seen), keypoints (name, x, y, score). Coordinates are px to
        0.01, scores to 0.0001.

        >>> seen = result.to_dict()
        >>> seen["people"][0]["keypoints"][0]
        {'name': 'nose', 'x': 144.8, 'y': 74.64, 'score': 0.99}
        """
        from .result_export import as_dict

        return as_dict(self)

    def to_json(self, indent: int | None = None) -> str:
        """`to_dict()` as JSON text.

        >>> result.to_json()[:30]
        '{"height": 320, "width": 320, '
        """
        return json.dumps(self.to_dict(), indent=indent)

    def to_coco(self, image_id: int = 1, category_id: int = 1) -> list[dict[str, Any]]:
        """The people as COCO annotations, fit for its results files: one dictionary each, without an `id`.

        segmentation: the mask as compressed run lengths (left out where there are no instances); area: its pixels;
        track_id: the person's id, only with tracking; bbox: [x, y, width, height] of `Person.box`; keypoints: 51
        numbers, x, y and 2 where the score is at least VISIBLE_SCORE, else 0; num_keypoints, score, iscrowd, image_id,
        category_id (COCO's person is 1).

        >>> person = result.to_coco(image_id=42)[0]
        >>> person["bbox"], person["segmentation"]["size"], len(person["keypoints"])
        ([0, 17, 229, 303], [320, 320], 51)
        """
        from .coco import coco_annotations

        return coco_annotations(self, image_id, category_id)

    def to_supervision(self) -> supervision.Detections:
        """The people as supervision's Detections: xyxy, mask (where there are instances), confidence, class_id 0,
        tracker_id (with tracking).

        Needs `pip install supervision`; raises MissingDependencyError without it.

        >>> len(result.to_supervision())
        1
        """
        from .result_export import supervision_detections

        return supervision_detections(self)

    def to_supervision_keypoints(self) -> supervision.KeyPoints:
        """The people's keypoints as supervision's KeyPoints, in the order of `to_supervision()`.

        Needs `pip install supervision`; raises MissingDependencyError without it.

        >>> result.to_supervision_keypoints().xy.shape
        (1, 17, 2)
        """
        from .result_export import supervision_keypoints

        return supervision_keypoints(self)
