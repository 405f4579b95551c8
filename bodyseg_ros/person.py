"""One of the people of a result: mask, parts, box, outline and keypoints."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from .errors import ResultError

__all__ = ["VISIBLE_SCORE", "Box", "Person", "TrackState", "box_of_keypoints", "box_of_mask", "missing"]

#: left, top, right, bottom in px; right and bottom are exclusive, so right - left is the width.
Box = tuple[int, int, int, int]

#: A keypoint of at least this score counts as visible.
VISIBLE_SCORE: Final = 0.3
#: A piece of a person's mask, its holes filled, counts for box and outline if it has this share of the largest one.
_PIECE_SHARE: Final = 0.05
_NOWHERE: Final = (0, 0, 0, 0)


class TrackState(enum.IntEnum):
    """What is known of a person from the frames before; the values are those of PersonPose."""

    #: Seen for the first time.
    NEW = 0
    #: Seen before; also one who was lost and is found.
    TRACKED = 1
    #: Seen in the frame before, and not in this one.
    LOST = 2


@dataclass(frozen=True, eq=False, repr=False)
class Person:
    """One person of a `Result`, from `result[0]` or `for person in result`.

    index: position in the result, best score first, and the value in `Result.instances`.
    score: 0 to 1. keypoints: (17, 2) float32, x then y, px, in the order of KEYPOINT_NAMES.
    keypoint_scores: (17,) float32, 0 to 1. size: (height, width) of the image, px.
    id: the same for the same person from frame to frame, state: NEW, TRACKED or LOST; None without tracking.

    >>> person = result[0]
    >>> person
    Person 0: score 0.60, box (0, 17, 229, 320)
    >>> person.keypoints[bodyseg.KEYPOINT_NAMES.index("nose")].astype(int)
    array([144,  74])
    """

    index: int
    score: float
    keypoints: NDArray[np.float32]
    keypoint_scores: NDArray[np.float32]
    size: tuple[int, int]
    #: The maps of all people, from which this one's are cut; None if they were not computed.
    instance_map: NDArray[np.int16] | None = None
    part_map: NDArray[np.int8] | None = None
    id: int | None = None
    state: TrackState | None = None
    #: left, top, right, bottom, px, where the network finds boxes itself.
    found_box: NDArray[np.float32] | None = None

    def __repr__(self) -> str:
        known = "" if self.id is None or self.state is None else f", id {self.id} ({self.state.name})"
        return f"Person {self.index}{known}: score {self.score:.2f}, box {self.box}"

    @cached_property
    def mask(self) -> NDArray[np.uint8]:
        """(H, W) uint8: 1 for this person's pixels, else 0. Raises ResultError without instances.

        >>> person.mask.shape, int(person.mask.max())
        ((320, 320), 1)
        """
        if self.instance_map is None:
            raise ResultError(missing("instances", "INSTANCES"))
        return np.equal(self.instance_map, self.index).view(np.uint8)

    @cached_property
    def parts(self) -> NDArray[np.int8]:
        """(H, W) int8: index into PART_NAMES, -1 outside this person.

        Raises ResultError without instances or parts.

        >>> [bodyseg.PART_NAMES[part] for part in np.unique(person.parts) if part >= 0][:2]
        ['left_face', 'right_face']
        """
        if self.part_map is None:
            raise ResultError(missing("parts", "PARTS"))
        return np.where(self.mask, self.part_map, np.int8(-1))

    @property
    def box(self) -> Box:
        """(left, top, right, bottom) in whole px; `image[top:bottom, left:right]` is the person.

        It encloses the pieces of the mask that have at least 5 % of the largest piece's pixels, so stray specks do
        not count. Without a mask it is the network's own box, inside the image; without that it encloses the keypoints
        of at least VISIBLE_SCORE; without those it is all 0.

        >>> left, top, right, bottom = person.box
        >>> image[top:bottom, left:right].shape == (bottom - top, right - left, 3)
        True
        """
        return self.box_above(VISIBLE_SCORE)

    def box_above(self, min_score: float) -> Box:
        """As `box`; keypoints count with at least `min_score`.

        >>> person.box_above(0.9) == person.box  # it has a mask
        True
        """
        found = None if self.instance_map is None else box_of_mask(self.mask)
        if found is None and self.found_box is not None:
            return _box_inside(self.found_box.reshape(2, 2), self.size)
        return found or box_of_keypoints(self.keypoints, self.keypoint_scores, self.size, min_score)

    @property
    def polygon(self) -> list[NDArray[np.int32]]:
        """The outline as arrays (N, 2) int32 of x, y, one for each piece that counts for `box`, largest first.

        The points are centers of the mask's outermost pixels; holes are not left out. Raises ResultError without
        instances.

        >>> outline = person.polygon[0]
        >>> outline.shape[1]
        2
        """
        return [outline for outline in _outlines(self.mask) if len(outline) > 2]


def missing(what: str, wanted: str) -> str:
    """Error message for a missing field; wanted: its name in Wanted."""
    return (
        f"This result holds no {what}: they were not asked for, or the network, as it is set, does not compute them. "
        f"Ask with Wanted.{wanted}, or load a network that does, such as bodypix-mobilenet-050."
    )


def _outlines(mask: NDArray[np.uint8]) -> list[NDArray[np.int32]]:
    """Outlines (N, 2) of the pieces of a mask without stray specks, largest first."""
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    outlines = [np.asarray(contour, np.int32).reshape(-1, 2) for contour in contours]
    if len(outlines) < 2:
        return outlines
    sizes = [_pixels_inside(outline) for outline in outlines]
    order = sorted(range(len(outlines)), key=lambda place: -sizes[place])
    return [outlines[place] for place in order if sizes[place] >= _PIECE_SHARE * max(sizes)]


def _pixels_inside(outline: NDArray[np.int32]) -> float:
    """Pixels within an outline and on it, by Pick's theorem; its steps go to one of eight neighbors."""
    steps = np.abs(np.diff(outline, axis=0, append=outline[:1])).max(axis=1).sum()
    return float(cv2.contourArea(outline) + steps / 2 + 1)


def box_of_mask(mask: NDArray[np.uint8]) -> Box | None:
    """The box around the pieces of a mask (H, W) uint8, above 0 a person, without stray specks; None: it is empty."""
    outlines = _outlines(mask)
    if not outlines:
        return None
    points = np.concatenate(outlines)
    (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return left, top, right + 1, bottom + 1


def box_of_keypoints(
    keypoints: NDArray[np.float32], scores: NDArray[np.float32], size: tuple[int, int], min_score: float
) -> Box:
    """Box around the keypoints (17, 2) with at least `min_score`, inside the image; all 0 if there are none."""
    seen = scores >= np.float32(min_score)
    return _box_inside(keypoints[seen], size) if seen.any() else _NOWHERE


def _box_inside(points: NDArray[np.float32], size: tuple[int, int]) -> Box:
    """Box around points (N, 2), inside the image."""
    height, width = size
    last = (width - 1, height - 1)
    left, top = np.clip(np.floor(points.min(axis=0)), 0, last).astype(int).tolist()
    right, bottom = np.clip(np.ceil(points.max(axis=0)), 0, last).astype(int).tolist()
    return left, top, right + 1, bottom + 1
