"""Tracking scores: HOTA, IDF1 and MOTA.

Source: JonathonLuiten/TrackEval (trackeval 1.3.0) ``trackeval/metrics/{hota,identity,clear}.py``; that package is not
used because it requires a second OpenCV. HOTA: J. Luiten and others, "HOTA: A Higher Order Metric for Evaluating
Multi-Object Tracking", IJCV 2020. IDF1: E. Ristani and others, "Performance Measures and a Data Set for Multi-Target,
Multi-Camera Tracking", ECCV workshops 2016. MOTA: K. Bernardin, R. Stiefelhagen, "Evaluating Multiple Object Tracking
Performance: The CLEAR MOT Metrics", 2008.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

__all__ = ["TrackedFrame", "TrackingScores", "score_tracking"]

Array = NDArray[np.float64]
#: Similarity thresholds of HOTA, which is the mean over them.
_ALPHAS: Final = np.arange(0.05, 0.99, 0.05)
#: Similarity threshold of IDF1 and MOTA.
_SAME: Final = 0.5
_EPSILON: Final = np.finfo(float).eps


@dataclass(frozen=True)
class TrackedFrame:
    """One frame.

    truth, found: ids. likeness: (truth, found) similarity, 0 to 1, such as box IoU.
    """

    truth: Sequence[int]
    found: Sequence[int]
    likeness: Array


@dataclass(frozen=True)
class TrackingScores:
    """Scores of a video, 0 to 1 except MOTA, which may be negative, and the number of id switches."""

    hota: float
    detection: float
    association: float
    idf1: float
    mota: float
    switches: int


def score_tracking(frames: Iterable[TrackedFrame]) -> TrackingScores:
    """Score a video with at least one true and one predicted person."""
    listed = list(frames)
    truth = {number: row for row, number in enumerate(sorted({one for frame in listed for one in frame.truth}))}
    found = {number: row for row, number in enumerate(sorted({one for frame in listed for one in frame.found}))}
    indexed = [
        (
            np.array([truth[number] for number in frame.truth], int),
            np.array([found[number] for number in frame.found], int),
            frame.likeness.reshape(len(frame.truth), len(frame.found)),
        )
        for frame in listed
    ]
    counts = np.bincount(np.concatenate([rows for rows, _, _ in indexed]), minlength=len(truth))
    found_counts = np.bincount(np.concatenate([columns for _, columns, _ in indexed]), minlength=len(found))
    hota, detection, association = _hota(indexed, counts, found_counts)
    mota, switches = _clear(indexed, counts)
    return TrackingScores(hota, detection, association, _idf1(indexed, counts, found_counts), mota, switches)


def _hota(frames: Sequence[tuple[Any, Any, Array]], counts: Any, found_counts: Any) -> tuple[float, float, float]:
    """HOTA, DetA and AssA."""
    potential = np.zeros((len(counts), len(found_counts)))
    for rows, columns, likeness in frames:
        total = likeness.sum(axis=0) + likeness.sum(axis=1)[:, None] - likeness
        potential[np.ix_(rows, columns)] += np.where(total > _EPSILON, likeness / np.maximum(total, _EPSILON), 0)
    alignment = potential / (counts[:, None] + found_counts - potential)
    matches = np.zeros((len(_ALPHAS), *potential.shape))
    for rows, columns, likeness in frames:
        chosen = linear_sum_assignment(alignment[np.ix_(rows, columns)] * likeness, maximize=True)
        for index, alpha in enumerate(_ALPHAS):
            same = likeness[chosen] >= alpha - _EPSILON
            np.add.at(matches[index], (rows[chosen[0][same]], columns[chosen[1][same]]), 1)
    hits = matches.sum(axis=(1, 2))
    share = matches / np.maximum(1, counts[:, None] + found_counts - matches)
    association = (matches * share).sum(axis=(1, 2)) / np.maximum(1, hits)
    detection = hits / np.maximum(1, counts.sum() + found_counts.sum() - hits)
    return float(np.sqrt(detection * association).mean()), float(detection.mean()), float(association.mean())


def _idf1(frames: Sequence[tuple[Any, Any, Array]], counts: Any, found_counts: Any) -> float:
    """IDF1: share of detections with the right id, where each id is assigned to one person for the whole video."""
    together = np.zeros((len(counts), len(found_counts)))
    for rows, columns, likeness in frames:
        together[np.ix_(rows, columns)] += likeness >= _SAME
    hits = together[linear_sum_assignment(together, maximize=True)].sum()
    return float(2 * hits / (counts.sum() + found_counts.sum()))


def _clear(frames: Sequence[tuple[Any, Any, Array]], counts: Any) -> tuple[float, int]:
    """MOTA, and the number of id switches."""
    last_id = np.full(len(counts), -1)
    just_before = np.full(len(counts), -1)
    hits = extra = switches = 0
    for rows, columns, likeness in frames:
        # A match with the same id as before takes precedence.
        kept = (just_before[rows][:, None] == columns) & (just_before[rows] >= 0)[:, None]
        worth = np.where(likeness >= _SAME - _EPSILON, 1000 * kept + likeness, 0)
        there, who = linear_sum_assignment(worth, maximize=True)
        same = worth[there, who] > _EPSILON
        there, who = rows[there[same]], columns[who[same]]
        switches += int(((last_id[there] >= 0) & (last_id[there] != who)).sum())
        hits += len(there)
        extra += len(columns) - len(there)
        last_id[there] = who
        just_before[:] = -1
        just_before[there] = who
    return float((hits - extra - switches) / max(1, counts.sum())), switches
