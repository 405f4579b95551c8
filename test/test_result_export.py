from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from bodyseg_ros.effects import load_effects
from bodyseg_ros.errors import MediaError, MissingDependencyError, ResultError
from bodyseg_ros.media import read_photo
from bodyseg_ros.types import Frame, Poses, Result

needs_supervision = pytest.mark.skipif(
    find_spec("supervision") is None, reason="supervision is not installed: pip install supervision"
)


def gray_frame() -> Frame:
    return Frame(np.full((40, 60, 3), 90, np.uint8), stamp_ns=5, frame_id="front", index=3)


def somebody() -> Result:
    """One person, a rectangle with a nose at 12.3456, 9, and nobody's pixels beside it."""
    instances = np.full((40, 60), -1, np.int16)
    instances[5:25, 10:30] = 0
    parts = np.where(instances == 0, 12, -1).astype(np.int8)
    points = np.zeros((1, 17, 2), np.float32)
    points[0, 0] = 12.3456, 9
    scores = np.zeros((1, 17), np.float32)
    scores[0, 0] = 0.98768
    person = (instances == 0).view(np.uint8)
    poses = Poses(points, scores, np.array([0.5], np.float32))
    return Result((40, 60), person, parts=parts, instances=instances, poses=poses, frame=gray_frame())


def test_plain_types() -> None:
    seen = somebody().to_dict()
    assert json.loads(somebody().to_json()) == seen
    assert (seen["height"], seen["width"], seen["person_share"]) == (40, 60, round(400 / 2400, 4))
    assert seen["frame"] == {"index": 3, "stamp_ns": 5, "frame_id": "front"}
    (person,) = seen["people"]
    assert person["box"] == [10, 5, 30, 25]
    assert person["area_px"] == 400
    assert sorted(person["polygon"][0]) == [[10, 5], [10, 24], [29, 5], [29, 24]]
    assert person["parts"] == ["torso_front"]
    assert person["keypoints"][0] == {"name": "nose", "x": 12.35, "y": 9.0, "score": 0.9877}
    assert len(person["keypoints"]) == 17


def test_what_was_not_computed_is_none() -> None:
    seen = Result((40, 60)).to_dict()
    assert (seen["people"], seen["person_share"], seen["frame"]) == (None, None, None)
    (person,) = Result((40, 60), poses=somebody().poses).to_dict()["people"]
    assert (person["polygon"], person["area_px"], person["parts"]) == (None, None, None)
    assert person["box"] == [12, 9, 14, 10]  # around the one keypoint that is visible


def test_the_plot_changes_the_picture_where_people_are() -> None:
    result = somebody()
    picture = result.plot()
    assert (picture.shape, picture.dtype) == ((40, 60, 3), np.uint8)
    assert (picture[15, 20] != 90).any()
    assert (picture[35:, 50:] == 90).all()
    np.testing.assert_array_equal(picture, result.plot(result.frame.image))
    assert (result.frame.image == 90).all()


def test_a_plot_shows_what_there_is() -> None:
    skeleton = Result((40, 60), poses=somebody().poses).plot(gray_frame().image)
    assert (skeleton[9, 12] != 90).any()
    assert (skeleton[20, 25] == 90).all()
    assert (Result((40, 60)).plot(gray_frame().image) == 90).all()
    mirrored = Result((40, 60), mirrored=True).plot(np.tile(np.arange(60, dtype=np.uint8), (40, 1)))
    assert mirrored[0, 0, 0] == 59


def test_a_plot_needs_an_image() -> None:
    (mirror,) = load_effects("effects", ["mirror"], {})
    moved = mirror.move(somebody())  # it lies on the mirror's picture, and no longer on its frame's
    for result in (Result((40, 60)), moved):
        with pytest.raises(ResultError, match=r"plot\(image\)"):
            result.plot()


def test_the_suffix_says_what_is_saved(tmp_path: Path) -> None:
    result = somebody()
    for suffix in (".png", ".json", ".npz", ".JPG"):
        result.save(tmp_path / "new" / f"seen{suffix}")
    np.testing.assert_array_equal(read_photo(tmp_path / "new/seen.png"), result.plot())
    assert read_photo(tmp_path / "new/seen.JPG").shape == (40, 60, 3)
    assert json.loads((tmp_path / "new/seen.json").read_text()) == result.to_dict()
    with np.load(tmp_path / "new/seen.npz") as arrays:
        assert set(arrays) == {"person", "parts", "instances", "keypoints", "keypoint_scores", "scores"}
        np.testing.assert_array_equal(arrays["instances"], result.instances)
    assert len(list((tmp_path / "new").iterdir())) == 4


def test_what_cannot_be_saved(tmp_path: Path) -> None:
    for name in ("seen.bmp", "seen"):
        with pytest.raises(ResultError, match=rf"{name}.*\.npz"):
            somebody().save(tmp_path / name)
    (tmp_path / "file").touch()
    for name in ("file/seen.json", "file/seen.png"):
        with pytest.raises(MediaError, match=name):
            somebody().save(tmp_path / name)


def test_without_supervision_there_is_a_line_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    for convert in (somebody().to_supervision, somebody().to_supervision_keypoints):
        with pytest.raises(MissingDependencyError, match="pip install supervision"):
            convert()


@needs_supervision
@pytest.mark.filterwarnings("ignore")
def test_supervision_sees_the_same_people() -> None:
    import supervision

    result = somebody()
    found, points = result.to_supervision(), result.to_supervision_keypoints()
    assert found.xyxy.tolist() == [[10, 5, 30, 25]]
    np.testing.assert_array_equal(found.mask[0], result.instances == 0)
    assert (found.confidence.tolist(), found["class_name"].tolist()) == ([0.5], ["person"])
    np.testing.assert_array_equal(points.xy, result.poses.keypoints)
    assert supervision.MaskAnnotator().annotate(result.frame.image.copy(), found).shape == (40, 60, 3)
    without_masks = Result((40, 60), poses=result.poses).to_supervision()
    assert without_masks.mask is None
    nobody = Result((40, 60), instances=np.full((40, 60), -1, np.int16), poses=Poses.none())
    assert len(nobody.to_supervision()) == len(nobody.to_supervision_keypoints()) == 0
