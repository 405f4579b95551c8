"""People keep their ids: made videos whose truth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bodyseg_ros.lab.moving_people import SCENES, play
from bodyseg_ros.lab.tracking_scores import TrackedFrame, TrackingScores, score_tracking
from bodyseg_ros.tracking import Following, PeopleFollower


def measure(name: str, fps: float, seed: int, *, masks: bool = True) -> TrackingScores:
    follower, frames = PeopleFollower(Following()), []
    for moment in play(SCENES[name], fps=fps, seed=seed, size=(240, 320)):
        seen = moment.seen if masks else replace(moment.seen, person=None, instances=None)
        result = follower.follow(moment.frame, seen)
        assert result.tracks is not None
        same = np.equal.outer(moment.truth, moment.truth).astype(float)
        frames.append(TrackedFrame(moment.truth, result.tracks.ids, same))
    return score_tracking(frames)


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize(("fps", "seed"), [(30, 0), (10, 1)])
def test_everybody_keeps_the_id(name: str, fps: float, seed: int) -> None:
    scores = measure(name, fps, seed)
    assert scores.switches == 0
    assert scores.idf1 >= 0.95


@pytest.mark.parametrize("name", ["two cross", "two alike cross", "behind a pillar", "one leaves, another enters"])
def test_keypoints_alone_are_enough(name: str) -> None:
    scores = measure(name, 30, 2, masks=False)
    assert scores.switches == 0
    assert scores.idf1 >= 0.95


def test_whoever_is_away_longer_than_remembered_is_somebody_new() -> None:
    following = Following(trackers={})
    tracker = following.make_tracker()
    moments = list(play(SCENES["one stands"], fps=10, size=(240, 320), missed=0))
    for moment in moments[:5]:
        assert list(tracker.identify(moment.frame, moment.seen, 0.1)) == [1]
    assert list(tracker.identify(moments[5].frame, moments[5].seen, 9.0)) == [1]
    assert list(tracker.identify(moments[6].frame, moments[6].seen, 11.0)) == [2]
