"""Figures of models, by hand; loads no Keras."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bodyseg_ros.lab.evaluation import Tally, border_f, iou, keypoints_found, panoptic_counts
from bodyseg_ros.lab.keypoint_ap import keypoint_ap
from bodyseg_ros.types import Poses, Result


def poses(*people: tuple[float, float], score: float = 0.9) -> Poses:
    """People whose 17 keypoints lie on a diagonal of 160 px from where they are."""
    steps = 10 * np.arange(17)[:, None] * np.ones(2)
    points = np.array([np.array(person) + steps for person in people], np.float32).reshape(-1, 17, 2)
    return Poses(points, np.full((len(people), 17), score, np.float32), np.full(len(people), score, np.float32))


def test_iou_by_hand() -> None:
    tally = Tally()
    truth = np.zeros((2, 4), bool)
    truth[0] = True  # 4 pixels
    seen = np.zeros((2, 4), np.uint8)
    seen[:, :2] = 1  # 4 pixels, 2 of them true: 2 / 6
    tally.add("one", Result((2, 4), person=seen), truth)
    tally.add("nobody", Result((2, 4), person=seen), np.zeros((2, 4), bool))
    figures = tally.figures
    assert figures["person IoU"] == pytest.approx(2 / 10)
    assert figures["person IoU, mean"] == pytest.approx(2 / 6)
    assert figures["person where nobody is"] == pytest.approx(4 / 8)
    assert tally.ious == {"one": pytest.approx(2 / 6)}
    assert math.isnan(figures["PCK"])
    assert iou(np.zeros((2, 2), bool), np.zeros((2, 2), bool)) == 1
    # One pixel is in both, three are in either.
    assert iou(np.array([True, True, False, False]), np.array([False, True, True, False])) == pytest.approx(1 / 3)


def test_parts_by_hand() -> None:
    ours, theirs = np.full((1, 8), -1, np.int8), np.full((1, 8), -1, np.int8)
    ours[0, :6] = (0, 0, 1, 1, 1, 2)
    theirs[0, :5] = (0, 0, 0, 1, 1)  # both see a part in 5 pixels, the same in 4
    tally = Tally()
    tally.add("one", Result((1, 8), parts=ours), np.ones((1, 8), bool), Result((1, 8), parts=theirs))
    assert tally.figures["part agreement"] == pytest.approx(4 / 5)
    assert tally.part_ious == {"left_face": pytest.approx(2 / 3), "right_face": pytest.approx(2 / 3)}
    assert tally.figures["part IoU, mean"] == pytest.approx(2 / 3)


def test_keypoints_are_found_within_a_tenth_of_the_person() -> None:
    reference = poses((0, 0), (300, 0))
    assert keypoints_found(poses((15, 0)), reference) == (17, 34)  # one of two people, within 16 px
    assert keypoints_found(poses((17, 0)), reference) == (0, 34)
    assert keypoints_found(poses((0, 0)), poses((0, 0), score=0.4)) == (0, 0)  # nothing sure to be found
    assert keypoints_found(Poses.none(), reference) == (0, 34)


def test_border_f() -> None:
    mask = np.zeros((80, 80), bool)
    mask[20:60, 20:60] = True
    assert border_f(mask, mask) == 1
    assert border_f(mask, np.roll(mask, 1, 1)) == 1  # within 1 % of the diagonal
    assert border_f(mask, np.roll(mask, 20, 1)) < 0.7
    assert border_f(mask, np.zeros_like(mask)) == 0


def test_keypoint_ap(tmp_path: Path) -> None:
    pytest.importorskip("pycocotools", reason="keypoint AP needs pycocotools")
    person = {"id": 1, "image_id": 7, "category_id": 1, "iscrowd": 0, "num_keypoints": 17, "area": 160 * 160}
    points = np.concatenate([poses((0, 0)).keypoints[0], np.full((17, 1), 2)], axis=1)
    person |= {"bbox": [0, 0, 160, 160], "keypoints": points.ravel().tolist()}
    names = {"categories": [{"id": 1, "name": "person"}], "info": {}}
    path = tmp_path / "people.json"
    path.write_text(json.dumps(names | {"images": [{"id": 7}], "annotations": [person]}))
    assert keypoint_ap(path, {7: poses((0, 0))}) == pytest.approx(1)
    assert keypoint_ap(path, {7: poses((400, 0))}) == 0
    assert keypoint_ap(path, {7: Poses.none()}) == 0


def test_plots_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    from bodyseg_ros.lab.evaluation_plots import draw

    tally = Tally()
    tally.add("one", Result((2, 2), person=np.ones((2, 2), np.uint8)), np.ones((2, 2), bool))
    assert [path.name for path in draw({"a": tally, "b": tally}, tmp_path)] == ["figures.png", "photos.png"]


def test_evaluating_loads_no_keras() -> None:
    heavy = ("keras", "tensorflow", "matplotlib")
    code = f"import sys, bodyseg_ros.cli.evaluate; print([m for m in {heavy} if m in sys.modules])"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.strip() == "[]"


def numbered(*rows: tuple[int, ...]) -> np.ndarray:
    return np.array(rows, np.int32)


def test_people_by_hand() -> None:
    """One found at IoU 3/4, one where nobody is, one missed; one lies in a crowd and is not counted."""
    seen = numbered((0, 0, 0, -1, 1, 1), (2, 2, -1, -1, -1, -1)).astype(np.int16)
    truth = numbered((1, 1, 1, 1, 0, 0), (-1, -1, 2, 2, 0, 0))
    assert panoptic_counts(seen, truth) == (1, 1, 1, pytest.approx(0.75))
    tally = Tally()
    tally.add("one", Result((2, 6), instances=seen, poses=poses((0, 0), (1, 1), (2, 2))), truth > 0, people=truth)
    assert tally.figures["people (PQ)"] == pytest.approx(0.75 / (1 + 0.5 + 0.5))


def test_precision_and_recall_by_hand() -> None:
    tally = Tally()
    seen = np.array([[1, 1, 1, 0, 0]], np.uint8)
    tally.add("one", Result((1, 5), person=seen), np.array([[False, True, True, True, True]]))
    assert (tally.figures["precision"], tally.figures["recall"]) == (pytest.approx(2 / 3), pytest.approx(2 / 4))


def tally_of(*shares: int) -> Tally:
    """A photo each, of which so many of 10 true pixels are found."""
    tally = Tally()
    for number, share in enumerate(shares):
        seen = np.zeros((1, 10), np.uint8)
        seen[0, :share] = 1
        tally.add(str(number), Result((1, 10), person=seen), np.ones((1, 10), bool))
    return tally


def test_intervals_hold_what_photos_vary_by() -> None:
    same, wide = tally_of(5, 5, 5, 5), tally_of(*[1, 9] * 50)
    assert same.intervals["person IoU"] == (pytest.approx(0.5), pytest.approx(0.5))
    low, high = wide.intervals["person IoU"]
    # The mean of 100 draws of 0.1 or 0.9 has a deviation of 0.4 / √100.
    assert low == pytest.approx(0.5 - 1.96 * 0.04, abs=0.015)
    assert high == pytest.approx(0.5 + 1.96 * 0.04, abs=0.015)
    assert "PCK" not in wide.intervals


def test_a_difference_is_of_the_same_photos() -> None:
    """Photos vary much more than the models differ on each of them."""
    low, high = tally_of(*[2, 9] * 20).differences(tally_of(*[1, 8] * 20))["recall"]
    assert (low, high) == (pytest.approx(0.1), pytest.approx(0.1))
