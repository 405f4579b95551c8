"""Events of drawn people: each at its frame, once, and without flicker at a threshold."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

import bodyseg_ros as bodyseg
from bodyseg_ros.errors import ResultError
from bodyseg_ros.events import EventKind, EventSettings, EventWatcher, PersonEvent
from bodyseg_ros.events.posture import body_angle, hand_height
from bodyseg_ros.person import TrackState
from bodyseg_ros.types import Poses, Result, Tracks

FPS = 10
#: A standing body 200 px tall, hands down; x to the right, y down, from the middle of the hips.
STANDING = np.array([
    (0, -90), (4, -94), (-4, -94), (8, -92), (-8, -92),
    (20, -60), (-20, -60), (25, -30), (-25, -30), (26, 0), (-26, 0),
    (12, 0), (-12, 0), (12, 50), (-12, 50), (12, 100), (-12, 100),
], np.float32)  # fmt: skip
LEFT_WRIST, RIGHT_WRIST = (bodyseg.KEYPOINT_NAMES.index(f"{side}_wrist") for side in ("left", "right"))


def turned(degrees: float) -> np.ndarray:
    """The body turned in the image: 90 lies."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return (STANDING @ np.array([(cos, sin), (-sin, cos)])).astype(np.float32)


def raised(height: float) -> np.ndarray:
    """The left wrist `height` trunks (60 px) above the eyes."""
    body = STANDING.copy()
    body[LEFT_WRIST] = (30, -94 - 60 * height)
    return body


def seen(*bodies: np.ndarray, ids: tuple[int, ...] = (), hidden: tuple[int, ...] = ()) -> Result:
    """A result with these people in the middle of the image; hidden: keypoints that are not seen."""
    keypoints = np.array(bodies, np.float32).reshape(-1, 17, 2) + np.array([320, 240], np.float32)
    scores = np.full((len(bodies), 17), 0.9, np.float32)
    scores[:, list(hidden)] = 0.1
    ids = ids or tuple(range(1, len(bodies) + 1))
    tracks = Tracks(ids, (TrackState.TRACKED,) * len(ids))
    return Result((480, 640), poses=Poses(keypoints, scores, np.full(len(bodies), 0.9, np.float32)), tracks=tracks)


class Film:
    """Feeds a watcher frames at 10 per second and keeps what it tells, as (frame, kind, began)."""

    def __init__(self, **settings: float) -> None:
        self.watcher = EventWatcher(EventSettings(**settings))
        self.frame = 0
        self.told: list[tuple[int, str, bool]] = []
        self.events: list[PersonEvent] = []

    def show(self, result: Result, frames: int, distance_m: float | None = None) -> Film:
        for _ in range(frames):
            distances = None if distance_m is None else [distance_m] * len(result)
            events = self.watcher.watch(result, round(self.frame * 1e9 / FPS), distances)
            self.told += [(self.frame, event.kind.name, event.began) for event in events]
            self.events += events
            self.frame += 1
        return self


def test_a_person_enters_once_and_leaves_after_the_time_allowed() -> None:
    film = Film(hold_s=0.25, leave_s=1.05).show(seen(STANDING), 10).show(seen(), 8).show(seen(STANDING), 5)
    assert film.told == [(3, "ENTERED", True)]  # the first frame counts as 1/30 s, the next ones as 0.1 s
    film.show(seen(), 20)
    assert film.told[1:] == [(33, "LEFT", True)]  # out of view from frame 23 on
    film.show(seen(STANDING), 10)
    assert film.told[2:] == [(45, "ENTERED", True)]


def test_a_glimpse_is_nobody() -> None:
    assert not Film(hold_s=0.3).show(seen(STANDING), 3).show(seen(), 40).told


def test_a_hand_above_the_head_is_raised_until_it_is_clearly_down() -> None:
    film = Film(hold_s=0.0).show(seen(STANDING), 5).show(seen(raised(0.05)), 5)
    assert [told[1] for told in film.told] == ["ENTERED"]
    film.show(seen(raised(0.3)), 5).show(seen(raised(0.0)), 5).show(seen(raised(-0.05)), 5).show(seen(raised(-0.3)), 5)
    assert film.told[1:] == [(10, "HAND_RAISED", True), (25, "HAND_RAISED", False)]


def test_a_trembling_hand_at_the_threshold_does_not_flicker() -> None:
    film, random = Film(hold_s=0.2).show(seen(STANDING), 5), np.random.default_rng(0)
    for _ in range(300):
        film.show(seen(raised(0.1 + 0.05 * random.standard_normal())), 1)
    assert [told[1:] for told in film.told[1:]] in ([], [("HAND_RAISED", True)])


def test_who_lies_bends_or_sits() -> None:
    film = Film(hold_s=0.0).show(seen(STANDING), 5).show(seen(turned(85)), 5)
    assert film.told[1:] == [(5, "LYING", True)]
    film.show(seen(turned(50)), 5).show(seen(turned(30)), 5)
    assert film.told[2:] == [(15, "LYING", False)]
    bent = turned(90)
    bent[13:] = STANDING[13:]  # the trunk is level, the legs stand
    assert Film(hold_s=0.0).show(seen(bent), 5).told == [(0, "ENTERED", True)]
    assert body_angle(seen(bent, hidden=(13, 14, 15, 16))[0], 0.3) == pytest.approx(90)
    assert body_angle(seen(turned(40))[0], 0.3) == pytest.approx(40, abs=0.1)


def test_a_hand_of_somebody_who_lies_is_not_raised() -> None:
    lying = turned(90)
    lying[LEFT_WRIST] = (0, -300)
    assert [told[1] for told in Film(hold_s=0.0).show(seen(lying), 5).told] == ["ENTERED", "LYING"]


def test_near_needs_depth_and_has_its_own_end() -> None:
    film = Film(hold_s=0.0, near_m=1.5, near_gap_m=0.3).show(seen(STANDING), 3).show(seen(STANDING), 3, math.nan)
    assert [told[1] for told in film.told] == ["ENTERED"]
    film.show(seen(STANDING), 3, 1.4).show(seen(STANDING), 3, 1.7).show(seen(STANDING), 3, 1.9)
    assert film.told[1:] == [(6, "NEAR", True), (12, "NEAR", False)]
    assert (film.events[1].distance_m, film.events[1].person_id) == (1.4, 1)


def test_a_state_ends_when_it_can_no_longer_be_seen_or_the_person_leaves() -> None:
    unseen = seen(raised(0.3), hidden=(LEFT_WRIST, RIGHT_WRIST))
    film = Film(hold_s=0.0, leave_s=1.05).show(seen(raised(0.3)), 5).show(unseen, 20)
    assert film.told[1:] == [(0, "HAND_RAISED", True), (15, "HAND_RAISED", False)]
    film = Film(hold_s=0.0, leave_s=1.05).show(seen(raised(0.3)), 5).show(seen(), 20)
    assert film.told[2:] == [(15, "HAND_RAISED", False), (15, "LEFT", True)]


def test_people_are_told_apart_by_their_ids() -> None:
    film = Film(hold_s=0.0, leave_s=0.0)
    film.show(seen(STANDING, raised(0.5), ids=(4, 9)), 2).show(seen(raised(0.5), ids=(9,)), 2)
    assert [(event.person_id, event.kind.name) for event in film.events] == [
        (4, "ENTERED"), (9, "ENTERED"), (9, "HAND_RAISED"), (4, "LEFT"),
    ]  # fmt: skip


def test_close_to_the_camera_a_hand_counts_without_hips() -> None:
    hips = (11, 12)
    assert hand_height(seen(raised(0.5), hidden=hips)[0], 0.3) > 0.3
    assert hand_height(seen(STANDING, hidden=hips)[0], 0.3) < -0.3
    assert hand_height(seen(STANDING, hidden=(0, 1, 2, 3, 4))[0], 0.3) is None


def test_frames_without_time_count_as_thirty_a_second() -> None:
    watcher = EventWatcher(EventSettings(hold_s=0.3))
    told = [bool(watcher.watch(seen(STANDING))) for _ in range(12)]
    assert told.index(True) == 9
    late = EventWatcher(EventSettings(hold_s=0.3))
    stamps = [5_000_000_000, 4_000_000_000, *range(4_100_000_000, 5_000_000_000, 100_000_000)]
    assert sum(len(late.watch(seen(STANDING), stamp)) for stamp in stamps) == 1  # time that goes back harms nothing


def test_a_result_without_ids_is_refused_and_events_read_well() -> None:
    with pytest.raises(ResultError, match="Model.track"):
        EventWatcher().watch(replace(seen(STANDING), tracks=None))
    near = PersonEvent(EventKind.NEAR, 3, False, 0, 1.8334)
    assert str(near) == "Person 3 near: ended, 1.83 m"
    assert near.to_dict() == {"event": "NEAR", "id": 3, "began": False, "distance_m": 1.833}
