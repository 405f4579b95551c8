"""Ids and states over stamps that stand still, jump and go back, and over changes of settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

import bodyseg_ros
from bodyseg_ros.errors import PluginError, ResultError, SettingsError
from bodyseg_ros.lab.moving_people import SCENES, Moment, play
from bodyseg_ros.person import TrackState
from bodyseg_ros.plugins import load_plugin
from bodyseg_ros.tracking import Following, PeopleFollower, SmoothingSettings, TrackingSettings
from bodyseg_ros.types import Poses, Result, Tracks


@pytest.fixture(scope="module")
def moments() -> list[Moment]:
    return list(play(SCENES["one stands"], fps=10, size=(240, 320), missed=0))[:10]


def ids_of(follower: PeopleFollower, moments: Sequence[Moment], stamps_ns: Sequence[int]) -> list[int]:
    found = []
    for moment, stamp_ns in zip(moments, stamps_ns, strict=True):
        result = follower.follow(replace(moment.frame, stamp_ns=stamp_ns), moment.seen)
        found += [person.id for person in result if person.id is not None]
    return found


@pytest.mark.parametrize(
    ("stamps_ms", "ids"),
    [
        ((0, 0, 0, 0), [1, 1, 1, 1]),  # no stamps
        ((100, 200, 1500, 1600), [1, 1, 1, 1]),  # frames dropped
        ((100, 200, 150, 300), [1, 1, 1, 1]),  # one came late
        ((5000, 5100, 0, 100), [1, 1, 2, 2]),  # a bag that loops
        ((0, 100, 60_000, 60_100), [1, 1, 2, 2]),  # forgotten meanwhile
    ],
)
def test_ids_over_stamps(moments: list[Moment], stamps_ms: Sequence[int], ids: list[int]) -> None:
    follower = PeopleFollower(Following())
    assert ids_of(follower, moments[:4], [1_000_000 * stamp for stamp in stamps_ms]) == ids


def test_a_picture_of_another_size_begins_anew(moments: list[Moment]) -> None:
    other = next(iter(play(SCENES["one stands"], size=(120, 160), missed=0)))
    follower = PeopleFollower(Following())
    assert ids_of(follower, [moments[0], other, moments[1]], [0, 1, 2]) == [1, 2, 3]


def test_new_tracked_lost_tracked(moments: list[Moment]) -> None:
    follower = PeopleFollower(Following())
    nobody = Result(moments[0].frame.size, poses=Poses.none())
    told = []
    for moment, seen in zip(
        moments[:6], [moments[0].seen, moments[1].seen, nobody, nobody, moments[4].seen], strict=False
    ):
        tracks = follower.follow(moment.frame, seen).tracks
        assert tracks is not None
        told.append(([state.name for state in tracks.states], [(one.id, one.state) for one in tracks.lost]))
    # Whoever was seen in two frames only is doubted, and still remembered after 0.2 s.
    assert told == [(["NEW"], []), (["TRACKED"], []), ([], [(1, TrackState.LOST)]), ([], []), (["TRACKED"], [])]


def test_without_a_tracker_the_result_stays_as_it_is(moments: list[Moment]) -> None:
    follower = PeopleFollower(Following(TrackingSettings(tracker="none")))
    assert follower.follow(moments[0].frame, moments[0].seen) is moments[0].seen


def test_another_tracker_gives_no_id_again(moments: list[Moment]) -> None:
    follower = PeopleFollower(Following())
    assert ids_of(follower, moments[:2], [0, 1]) == [1, 1]
    follower.use(Following(TrackingSettings(tracker="in_order")))
    assert ids_of(follower, moments[2:4], [2, 3]) == [2, 2]
    follower.use(Following(TrackingSettings(tracker="none")))
    assert ids_of(follower, moments[4:5], [4]) == []
    follower.use(Following())
    assert ids_of(follower, moments[5:6], [5]) == [3]


def test_other_settings_keep_the_people(moments: list[Moment]) -> None:
    follower = PeopleFollower(Following())
    ids_of(follower, moments[:3], [0, 1, 2])
    kalman = load_plugin("trackers", "kalman").Settings(memory=0.5)
    follower.use(Following(smoothing=SmoothingSettings(keypoints=False), trackers={"kalman": kalman}))
    assert ids_of(follower, moments[3:5], [3, 2_000_000_000]) == [1, 2]


def test_numbers_that_cannot_be_are_refused(moments: list[Moment], monkeypatch: pytest.MonkeyPatch) -> None:
    fake = load_plugin("trackers", "in_order")
    follower = PeopleFollower(Following(TrackingSettings(tracker="in_order")))
    for numbers in ([], [0], [1, 2]):
        monkeypatch.setattr(fake, "identify", lambda *_, numbers=numbers: numbers)
        with pytest.raises(PluginError, match=r"'in_order' gave the numbers \["):
            follower.follow(moments[0].frame, moments[0].seen)


def test_tracks_must_fit_the_poses(moments: list[Moment]) -> None:
    with pytest.raises(bodyseg_ros.FrameError, match=r"1 person.* 2 ids"):
        replace(moments[0].seen, tracks=Tracks((1, 2), (TrackState.NEW,) * 2))


def test_a_result_says_who_everywhere(moments: list[Moment]) -> None:
    result = PeopleFollower(Following()).follow(moments[0].frame, moments[0].seen)
    assert repr(result[0]).startswith("Person 0, id 1 (NEW): score")
    person = result.to_dict()["people"][0]
    assert (person["id"], person["state"]) == (1, "NEW")
    assert result.to_coco()[0]["track_id"] == 1
    assert result.to_supervision().tracker_id.tolist() == [1]
    untracked = moments[0].seen
    assert untracked.to_dict()["people"][0]["id"] is None
    assert "track_id" not in untracked.to_coco()[0]
    assert untracked.to_supervision().tracker_id is None


def test_a_model_tracks_images_and_changes_live() -> None:
    image = np.zeros((160, 160, 3), np.uint8)
    with bodyseg_ros.load("bodypix-mobilenet-050", engine="fake", fake={"people": 2}) as model:
        results = model.track([image] * 4)
        first, second = next(results), next(results)
        assert first.tracks is not None and second.tracks is not None
        assert (first.tracks.ids, second.tracks.ids) == ((1, 2), (1, 2))
        assert second.tracks.states == (TrackState.TRACKED,) * 2
        assert second.frame is not None and second.frame.index == 1
        model.configure(tracker="none")
        assert next(results).tracks is None
        model.configure(tracker="in_order", smoothing={"beta": 3.0})
        third = next(results)
        assert third.tracks is not None and third.tracks.ids == (3, 4)
        with pytest.raises(SettingsError, match="tracker is 'kalmann'.* auto, none, in_order, kalman"):
            model.configure(tracker="kalmann")


def test_a_network_without_people_cannot_track() -> None:
    with bodyseg_ros.load(network="background") as model, pytest.raises(ResultError, match="Wanted.POSES"):
        model.track([np.zeros((8, 8, 3), np.uint8)])
