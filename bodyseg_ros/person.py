"""One of the people of a result: mask, parts, box, outline and keypoints."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from .errors import ResultError

__all__ = ["VISIBLE_SCORE", "Box", "Person", "box_of_keypoints", "box_of_mask", "missing"]

#: left, top, right, bottom in px; right and bottom lie beyond the last pixel, so that right - left is the width.
Box = tuple[int, int, int, int]

#: A keypoint of at least this score counts as visible.
VISIBLE_SCORE: Final = 0.3
#: A piece of a person's mask belongs to the box and the outline if it has this share of the largest piece's pixels.
_PIECE_SHARE: Final = 0.05
_NOWHERE: Final = (0, 0, 0, 0)


@dataclass(frozen=True, eq=False)
class Person:
    """One person of a `Result`, as `result[0]` and `for person in result` give them.

    index: the person's place in the result, best score first, and the value in `Result.instances`.
    score: 0 to 1. keypoints: (17, 2) float32, x then y, px, in the order of KEYPOINT_NAMES.
    keypoint_scores: (17,) float32, 0 to 1. size: (height, width) of the image, px.

    >>> person = result[0]
    >>> person.keypoints[bodyseg.KEYPOINT_NAMES.index("nose")].astype(int)
    array([144,  74])
    """

    index: int
    score: float
    keypoints: NDArray[np.float32] = field(repr=False)
    keypoint_scores: NDArray[np.float32] = field(repr=False)
    size: tuple[int, int]
    #: The maps of all people, from which this one's are cut; None if they were not computed.
    instance_map: NDArray[np.int16] | None = field(default=None, repr=False)
    part_map: NDArray[np.int8] | None = field(default=None, repr=False)

    @cached_property
    def mask(self) -> NDArray[np.uint8]:
        """(H, W) uint8: 1 where a pixel is this person's, else 0. Raises ResultError without instances.

        >>> person.mask.shape, int(person.mask.max())
        ((320, 320), 1)
        """
        if self.instance_map is None:
            raise ResultError(missing("instances", "INSTANCES"))
        return np.equal(self.instance_map, self.index).view(np.uint8)

    @cached_property
    def parts(self) -> NDArray[np.int8]:
        """(H, W) int8: index into PART_NAMES, -1 where a pixel is not this person's.

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
        not count. Without a mask it encloses the keypoints of at least VISIBLE_SCORE; without those it is all 0.

        >>> left, top, right, bottom = person.box
        >>> image[top:bottom, left:right].shape == (bottom - top, right - left, 3)
        True
        """
        found = None if self.instance_map is None else box_of_mask(self.mask)
        return found or box_of_keypoints(self.keypoints, self.keypoint_scores, self.size, VISIBLE_SCORE)

    @property
    def polygon(self) -> list[NDArray[np.int32]]:
        """The outline as arrays (N, 2) int32 of x, y, one for each piece that counts for `box`, largest first.

        The points are centres of the mask's outermost pixels; holes are not left out. Raises ResultError without
        instances.

        >>> outline = person.polygon[0]
        >>> outline.shape[1]
        2
        """
        contours, _ = cv2.findContours(_pieces(self.mask), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        outlines = [np.asarray(contour, np.int32).reshape(-1, 2) for contour in contours if len(contour) > 2]
        return sorted(outlines, key=lambda outline: -float(cv2.contourArea(outline)))


def missing(what: str, wanted: str) -> str:
    """The sentence for what a result does not hold; wanted: its name in Wanted."""
    return (
        f"This result holds no {what}: they were not asked for, or the network, as it is set, does not compute them. "
        f"Ask with Wanted.{wanted}, or load a network that does, such as bodypix-mobilenet-050."
    )


def _kept(mask: NDArray[np.uint8]) -> tuple[Box, NDArray[np.int32], NDArray[np.int32], NDArray[np.intp]] | None:
    """The box of everything, labels and statistics of the pieces in it, and which of them count; None: no pieces."""
    left, top, width, height = cv2.boundingRect(mask)
    if not width:
        return None
    inside = mask[top : top + height, left : left + width]
    _, labels, stats, _ = cv2.connectedComponentsWithStats(inside, connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    kept = 1 + np.flatnonzero(areas >= _PIECE_SHARE * areas.max())
    whole = (left, top, left + width, top + height)
    return whole, np.asarray(labels, np.int32), np.asarray(stats, np.int32), kept


def _pieces(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The mask (H, W) uint8 without stray specks."""
    found, pieces = _kept(mask), np.zeros_like(mask)
    if found is not None:
        (left, top, right, bottom), labels, _, kept = found
        pieces[top:bottom, left:right] = np.isin(labels, kept)
    return pieces


def box_of_mask(mask: NDArray[np.uint8]) -> Box | None:
    """The box around the pieces of a mask (H, W) uint8, above 0 a person, without stray specks; None: it is empty."""
    found = _kept(mask)
    if found is None:
        return None
    (left, top, _, _), _, stats, kept = found
    x, y = stats[kept, cv2.CC_STAT_LEFT], stats[kept, cv2.CC_STAT_TOP]
    right, bottom = x + stats[kept, cv2.CC_STAT_WIDTH], y + stats[kept, cv2.CC_STAT_HEIGHT]
    return left + int(x.min()), top + int(y.min()), left + int(right.max()), top + int(bottom.max())


def box_of_keypoints(
    keypoints: NDArray[np.float32], scores: NDArray[np.float32], size: tuple[int, int], min_score: float
) -> Box:
    """The box around the keypoints (17, 2) of at least `min_score`, within the image; all 0 where there are none."""
    seen = scores >= np.float32(min_score)
    if not seen.any():
        return _NOWHERE
    height, width = size
    last = (width - 1, height - 1)
    left, top = np.clip(np.floor(keypoints[seen].min(axis=0)), 0, last).astype(int).tolist()
    right, bottom = np.clip(np.ceil(keypoints[seen].max(axis=0)), 0, last).astype(int).tolist()
    return left, top, right + 1, bottom + 1
