"""COCO's keypoint average precision, by COCO's own code."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..dependencies import missing_package
from ..types import Poses
from .annotations import COCO_PERSON


def keypoint_ap(annotations: Path, poses: Mapping[int, Poses]) -> float:
    """Average precision at object keypoint similarity .50 to .95; -1 if nobody is annotated.

    annotations: a COCO keypoints JSON. poses: photo id → people, photo px.
    """
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ModuleNotFoundError as err:
        raise missing_package("Keypoint AP", err, "bodyseg_ros[train]") from err
    found = [person for image, people in poses.items() for person in _entries(image, people)]
    if not found:
        return 0.0
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
        truth = COCO(str(annotations))
        evaluation = COCOeval(truth, truth.loadRes(found), "keypoints")
        evaluation.params.imgIds = sorted(poses)
        evaluation.params.catIds = [COCO_PERSON]
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0])


def _entries(image: int, people: Poses) -> list[dict[str, Any]]:
    """Convert people to COCO results: x, y, 1 for each keypoint."""
    marked = np.concatenate([people.keypoints, np.ones((len(people), people.keypoints.shape[1], 1))], axis=2)
    return [
        {"image_id": image, "category_id": COCO_PERSON, "keypoints": points.ravel().tolist(), "score": float(score)}
        for points, score in zip(marked, people.scores, strict=True)
    ]
