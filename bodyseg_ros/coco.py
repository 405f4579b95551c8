"""People as COCO annotations, masks as compressed run lengths.

Source: cocodataset/cocoapi ``common/maskApi.c`` (2.0), rleEncode and rleToString; fields as in cocodataset.org's data
and results formats.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .person import VISIBLE_SCORE

if TYPE_CHECKING:
    from .types import Result

__all__ = ["coco_annotations", "encode_mask"]


def coco_annotations(result: Result, image_id: int, category_id: int) -> list[dict[str, Any]]:
    """Make one annotation per person, as described in `Result.to_coco`."""
    found = []
    for person in result:
        left, top, right, bottom = person.box
        width, height = right - left, bottom - top
        visible = 2 * (person.keypoint_scores >= np.float32(VISIBLE_SCORE))
        keypoints = np.column_stack([np.round(person.keypoints.astype(float), 2), visible])
        masked: dict[str, Any] = {"area": width * height}
        if result.instances is not None:
            masked = {"segmentation": encode_mask(person.mask), "area": int(np.count_nonzero(person.mask))}
        found.append(
            {
                "image_id": image_id,
                "category_id": category_id,
                **({} if person.id is None else {"track_id": person.id}),
                "bbox": [left, top, width, height],
                **masked,
                "iscrowd": 0,
                "keypoints": [int(value) if value.is_integer() else value for value in keypoints.ravel().tolist()],
                "num_keypoints": int(np.count_nonzero(visible)),
                "score": round(person.score, 4),
            }
        )
    return found


def encode_mask(mask: NDArray[Any]) -> dict[str, Any]:
    """A mask (H, W), anything but 0 is inside, as {"size": [H, W], "counts": compressed run lengths}."""
    flat = np.asarray(mask, bool).ravel(order="F")
    ends = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    runs = np.diff(np.concatenate([[0], ends, [flat.size]]))
    if flat.size and flat[0]:  # the first run is of zeros
        runs = np.concatenate([[0], runs])
    return {"size": [int(side) for side in mask.shape], "counts": _compressed(runs)}


def _compressed(runs: NDArray[np.int64]) -> str:
    """Encode each run minus the one before the last in 5-bit groups, lowest first; bit 6 marks continuation."""
    rest = runs.astype(np.int64)
    rest[3:] -= runs[1:-2]
    begun, characters = np.ones(rest.shape, bool), []
    while begun.any():
        five = rest & 31
        rest >>= 5
        more = rest != np.where(five & 16, -1, 0)
        characters.append(np.where(begun, five + 32 * more + 48, 0))
        begun &= more
    table = np.stack(characters, axis=1).astype(np.uint8)
    return table[table > 0].tobytes().decode("ascii")
