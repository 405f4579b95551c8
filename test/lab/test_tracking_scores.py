"""HOTA, IDF1 and MOTA, equal to those of trackeval 1.3.0."""

from __future__ import annotations

import numpy as np
import pytest

from bodyseg_ros.lab.tracking_scores import TrackedFrame, score_tracking


def drawn(seed: int) -> list[TrackedFrame]:
    """30 frames of four people with misses and false boxes; two ids change places half way."""
    random, frames = np.random.default_rng(seed), []
    for time in range(30):
        truth = [one for one in range(4) if random.random() < 0.9]
        named = [10 + (one if time < 15 or one > 1 else 1 - one) for one in range(4) if random.random() < 0.85]
        same = [
            [
                0.6 + 0.4 * random.random()
                if name - 10 == one or (time >= 15 and one < 2 and name - 10 == 1 - one)
                else 0.6 * random.random()
                for name in named
            ]
            for one in truth
        ]
        frames.append(TrackedFrame(truth, named, np.array(same)))
    return frames


@pytest.mark.parametrize(
    ("seed", "hota", "detection", "association", "idf1", "mota", "switches"),
    [
        (0, 0.6564751932991078, 0.6553398110426215, 0.6576897555257585, 0.9107981220657277, 0.8240740740740741, 0),
        (1, 0.642496966034881, 0.6437802913760563, 0.641704470664786, 0.8930232558139535, 0.7870370370370371, 0),
        (2, 0.5690410357411374, 0.6104996039970592, 0.5305027861809269, 0.8557692307692307, 0.75, 4),
    ],
)
def test_as_trackeval(
    seed: int, hota: float, detection: float, association: float, idf1: float, mota: float, switches: int
) -> None:
    scores = score_tracking(drawn(seed))
    assert scores.switches == switches
    found = (scores.hota, scores.detection, scores.association, scores.idf1, scores.mota)
    assert found == pytest.approx((hota, detection, association, idf1, mota), abs=1e-12)


def test_one_id_that_changes_half_way() -> None:
    """By hand: IDF1 is a half, MOTA loses one of ten, HOTA is the root of 1 · ½."""
    frames = [TrackedFrame([1], [1 if time < 5 else 2], np.ones((1, 1))) for time in range(10)]
    scores = score_tracking(frames)
    assert (scores.idf1, scores.switches) == (0.5, 1)
    assert scores.mota == pytest.approx(0.9)
    assert scores.hota == pytest.approx(0.5**0.5)
