"""frame_skip: which frames the network sees, and how near the moved results are to the truth.

The network here knows the truth: a textured disc with points on it, which moves over a textured wall.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, ClassVar

import cv2
import numpy as np
import pytest
from skimage import data

import bodyseg_ros as bodyseg
from bodyseg_ros import Frame, Model, Poses, Result, Wanted
from bodyseg_ros.networks import Network, NetworkSettings
from bodyseg_ros.per_person import stage_parameters
from bodyseg_ros.plugins import load_plugin
from bodyseg_ros.types import Prepared

SIZE = (240, 320)
RADIUS_PX, STEP_PX = 45, np.array([4.0, 1.5])
PERIOD_NS = 40_000_000
WALL = cv2.resize(data.gravel(), SIZE[::-1], interpolation=cv2.INTER_AREA)
COAT = cv2.resize(data.astronaut(), (200, 200), interpolation=cv2.INTER_AREA)


def center(index: int) -> np.ndarray:
    return np.array([70.0, 90.0]) + index * STEP_PX


def disc(index: int) -> np.ndarray:
    """(H, W) bool: where the disc is."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    middle = center(index)
    return np.hypot(x - middle[0], y - middle[1]) <= RADIUS_PX


def picture(index: int) -> np.ndarray:
    shift = np.float32([[1, 0, center(index)[0] - 100], [0, 1, center(index)[1] - 100]])
    coat = cv2.warpAffine(COAT, shift, SIZE[::-1])
    return np.where(disc(index)[..., None], coat, np.stack([WALL] * 3, -1)).astype(np.uint8)


def frame(index: int, camera: str = "", gap_ns: int = 0) -> Frame:
    return Frame(picture(index), index * PERIOD_NS + gap_ns, camera, index=index)


def keypoints(index: int) -> np.ndarray:
    """(1, 17, 2) float32: a spiral on the disc."""
    turn = np.arange(17)[:, None]
    return np.asarray((center(index) + 1.8 * turn * np.hstack([np.cos(turn), np.sin(turn)]))[None], np.float32)


class Oracle(Network):
    """Knows the disc of the frame's index, and notes each frame that it was asked about."""

    Settings = NetworkSettings
    api_version = 1
    offers = Wanted.EVERYTHING & ~Wanted.CLASSES
    asked: ClassVar[list[int]] = []

    def prepare(self, frame: Frame) -> Prepared:
        self.asked.append(frame.index)
        return Prepared(frame.image[None], None)

    def decode(self, outputs: Mapping[str, Any], prepared: Prepared, wanted: Wanted) -> Result:
        there = disc(self.asked[-1])
        parts, instances = np.where(there, np.int8(12), np.int8(-1)), np.where(there, np.int16(0), np.int16(-1))
        corners = np.tile(center(self.asked[-1]), 2) + RADIUS_PX * np.array([-1, -1, 1, 1])
        scores, boxes = np.ones((1, 17), np.float32), corners[None].astype(np.float32)
        poses = Poses(keypoints(self.asked[-1]), scores, scores[:, 0], boxes)
        return Result(SIZE, there.view(np.uint8), there.astype(np.float32), parts, instances, poses)


ENGINE = SimpleNamespace(makes_maps=False, run=lambda tensor, maps: {})


@pytest.fixture
def asked() -> list[int]:
    Oracle.asked = []
    return Oracle.asked


def model(**settings: Any) -> Model:
    return Model(Oracle(None, NetworkSettings(**settings), 1), ENGINE)


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


def test_the_network_runs_on_every_nth_frame(asked: list[int]) -> None:
    seen = model(frame_skip=4)
    for index in range(10):
        seen.run(frame(index))
    assert asked == [0, 4, 8]


def test_a_moved_result_follows_the_person(asked: list[int]) -> None:
    """After 5 frames the disc has moved by 21 px, so an unmoved mask's IoU is .55."""
    moving, holding = model(frame_skip=6), model(frame_skip=6, skipped_frames="hold")
    for index in range(6):
        moved, held = moving.run(frame(index)), holding.run(frame(index))
    truth = disc(5)
    assert iou(held.person > 0, truth) == iou(disc(0), truth) < 0.6
    for found in (moved.person > 0, moved.parts == 12, moved.instances == 0, moved.confidence > 0.5):
        assert iou(found, truth) > 0.85
    assert set(np.unique(moved.parts)) == {-1, 12}
    np.testing.assert_allclose(moved.poses.keypoints, keypoints(5), atol=2)
    np.testing.assert_allclose(moved.poses.boxes - held.poses.boxes, [np.tile(5 * STEP_PX, 2)], atol=1)
    np.testing.assert_array_equal(held.poses.keypoints, keypoints(0))
    assert asked == [0, 0]


def test_nothing_moves_where_nothing_moved(asked: list[int]) -> None:
    seen = model(frame_skip=3)
    first = seen.run(frame(2))
    again = seen.run(Frame(picture(2), 3 * PERIOD_NS, index=3))
    assert again == first
    assert asked == [2]


@pytest.mark.parametrize(
    "other",
    [
        frame(1, camera="rear"),
        frame(1, gap_ns=2_000_000_000),
        Frame(picture(1) // 8, PERIOD_NS, index=1),
        Frame(picture(1)[:100], PERIOD_NS, index=1),
        Frame(picture(1), -1, index=1),
    ],
    ids=["another camera", "a gap", "a cut", "another size", "back in time"],
)
def test_a_frame_that_does_not_follow_is_looked_at(other: Frame, asked: list[int]) -> None:
    seen = model(frame_skip=10)
    seen.run(frame(0))
    seen.steps(other).send(None)
    assert asked == [0, 1]


def test_photos_are_all_looked_at(asked: list[int]) -> None:
    model(frame_skip=10).segment([picture(0), picture(0), picture(0)])
    assert asked == [0, 0, 0]


def test_more_is_not_made_up(asked: list[int]) -> None:
    """What the last network run did not compute is computed, not left out; what nobody asks for is left out."""
    seen = model(frame_skip=10)
    seen.run(frame(0), Wanted.PERSON | Wanted.POSES)
    fewer = seen.run(frame(1), Wanted.PERSON)
    assert asked == [0]
    assert fewer.person is not None and fewer.poses is None
    assert seen.run(frame(2), Wanted.PARTS).parts is not None
    assert asked == [0, 2]


def test_changed_settings_are_seen_at_once(asked: list[int]) -> None:
    seen = model(frame_skip=10)
    seen.run(frame(0))
    seen.configure(flip_horizontal=True)
    assert seen.run(frame(1)).mirrored
    assert asked == [0, 1]
    assert seen.run(frame(2)).mirrored
    assert asked == [0, 1]
    seen.configure(frame_skip=1)
    for index in (3, 4):
        seen.run(frame(index))
    assert asked == [0, 1, 3, 4]


def test_what_was_seen_before_a_failure_is_not_moved_across_a_cut(
    asked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = model(frame_skip=10)
    seen.run(frame(0))
    dark = [Frame(picture(index) // 8, index * PERIOD_NS, index=index) for index in (1, 2)]
    with monkeypatch.context() as broken:
        broken.setattr(Oracle, "decode", lambda *_: (_ for _ in ()).throw(bodyseg.EngineError("no answer")))
        with pytest.raises(bodyseg.EngineError, match="no answer"):
            seen.run(dark[0])
    seen.run(dark[1])
    assert asked == [0, 1, 2]


def test_frames_of_any_shape_and_nobody_in_them(asked: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(self: Oracle, outputs: Any, prepared: Prepared, wanted: Wanted) -> Result:
        size = prepared.tensor.shape[1:3]
        return Result(size, person=np.zeros(size, np.uint8), poses=Poses.none())

    monkeypatch.setattr(Oracle, "decode", nobody)
    for size in ((1, 1), (1, 90), (90, 1), (12, 300), (300, 12)):
        seen = model(frame_skip=2)
        results = [seen.run(Frame(np.zeros((*size, 3), np.uint8), index * PERIOD_NS)) for index in range(2)]
        assert results[0] == results[1]
    assert len(asked) == 5


def test_it_is_a_parameter_of_the_first_network_alone() -> None:
    for network in ("bodypix", "posenet", "movenet", "deeplab", "portrait", "background", "top_down"):
        assert "frame_skip" in load_plugin("networks", network).Settings.model_fields
    stage = [parameter.name for parameter in stage_parameters(load_plugin("networks", "bodypix"))]
    assert "per_person.segmentation_threshold" in stage and "per_person.frame_skip" not in stage
    with pytest.raises(bodyseg.SettingsError, match="frame_skip is 0.*from 1 to 60"):
        bodyseg.load(frame_skip=0)
