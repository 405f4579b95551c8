"""MoveNet against tfjs-models pose-detection: its inputs, crops and poses.

`movenet_reference.json` holds what that package, run in node, made of parts of scikit-image's sample astronaut: with
outputs given in place of a network's, and with the published networks, whose files must be in $BODYSEG_MODEL_PATH.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage import data

import bodyseg_ros as bodyseg
from bodyseg_ros.catalog import find_model, load_card, locate, recognize
from bodyseg_ros.catalog.card import all_cards
from bodyseg_ros.errors import EngineError, SettingsError
from bodyseg_ros.mirror import mirror_result
from bodyseg_ros.networks.movenet import MoveNet, MoveNetSettings
from bodyseg_ros.plan import make_plan
from bodyseg_ros.settings import ModelSettings, Settings
from bodyseg_ros.types import Frame, Wanted

REFERENCE = json.loads(Path(__file__).with_name("movenet_reference.json").read_text())
CARDS = {
    "SinglePose.Lightning": "movenet-lightning",
    "SinglePose.Thunder": "movenet-thunder",
    "MultiPose.Lightning": "movenet-multipose",
}
#: People who fill the frame in a multi-pose output: all keypoints in the middle, the box around the left half.
MIDDLE = np.concatenate([np.tile([0.5, 0.5, 0.9], 17), [0.25, 0.0, 0.75, 0.5, 0.8]]).astype(np.float32)


def frame_of(cut: list[int], index: int) -> Frame:
    top, bottom, left, right = cut
    return Frame(np.ascontiguousarray(data.astronaut()[top:bottom, left:right]), stamp_ns=index * 33_000_000)


def network(card: str, **options: Any) -> MoveNet:
    return MoveNet(load_card(card), MoveNetSettings(**options), 16)


def agree(result: bodyseg.Result, expected: list[dict[str, Any]], atol_px: float, atol_score: float) -> None:
    expected = sorted(expected, key=lambda pose: -pose["score"])
    joints = np.array([pose["keypoints"] for pose in expected]).reshape(-1, 17, 3)
    assert result.poses is not None
    np.testing.assert_allclose(result.poses.scores, [pose["score"] for pose in expected], atol=atol_score)
    np.testing.assert_allclose(result.poses.keypoints, joints[..., :2], rtol=0, atol=atol_px)
    np.testing.assert_allclose(result.poses.keypoint_scores, joints[..., 2], atol=atol_score)


@pytest.mark.parametrize("job", REFERENCE["given_outputs"], ids=lambda job: job["name"])
def test_inputs_crops_and_poses_are_the_references(job: dict[str, Any]) -> None:
    movenet = network(CARDS[job["network"]], input_side=job["input_side"])
    for index, expected in enumerate(job["frames"]):
        prepared = movenet.prepare(frame_of(expected["cut"], index))
        assert list(prepared.tensor.shape) == expected["input_shape"] and prepared.tensor.dtype == np.int32
        assert int(prepared.tensor.sum()) == expected["input_sum"]
        flat = prepared.tensor.ravel()
        for place, *pixel in expected["input_probes"]:
            assert flat[place : place + 3].tolist() == pixel
        output = np.array(expected["output"], np.float32).reshape(job["shape"])
        agree(movenet.decode({"any": output}, prepared, Wanted.POSES), expected["poses"], 0.001, 1e-6)


@pytest.mark.parametrize("job", REFERENCE["networks"], ids=lambda job: job["card"])
def test_the_published_networks_find_the_references_poses(job: dict[str, Any]) -> None:
    if locate(load_card(job["card"]), 16, 4) is None:
        pytest.skip(f"no file of {job['card']}: put it into a folder of $BODYSEG_MODEL_PATH")
    with bodyseg.load(job["card"]) as model:
        for index, expected in enumerate(job["frames"]):
            agree(model.run(frame_of(expected["cut"], index)), expected["poses"], 0.01, 1e-4)


def test_a_still_looks_the_same_twice_and_the_whole_image_is_padded_on_request() -> None:
    following, whole = network("movenet-lightning"), network("movenet-lightning", crop="whole")
    frame = frame_of([0, 200, 0, 400], 0)
    output = np.tile(np.array([0.5, 0.5, 0.9], np.float32), 17).reshape(1, 1, 17, 3)
    first = following.prepare(frame)
    following.decode({"people": output}, first, Wanted.POSES)
    np.testing.assert_array_equal(following.prepare(frame).tensor, first.tensor)
    prepared = whole.prepare(frame)
    # 400×200 in a square: a quarter of zeros above, the image, a quarter of zeros below.
    rows = prepared.tensor[0].any(axis=(1, 2))
    assert not rows[:47].any() and rows[49:143].all() and not rows[145:].any()
    pose = whole.decode({"people": output}, prepared, Wanted.POSES).poses
    np.testing.assert_allclose(pose.keypoints[0], [[200, 100]] * 17, atol=1e-4)


def test_the_crop_survives_a_change_of_settings() -> None:
    movenet = network("movenet-lightning")
    job = REFERENCE["given_outputs"][0]
    first, second = job["frames"][:2]
    prepared = movenet.prepare(frame_of(first["cut"], 0))
    movenet.decode({"any": np.array(first["output"], np.float32).reshape(job["shape"])}, prepared, Wanted.POSES)
    changed = movenet.with_settings(MoveNetSettings(score_threshold=0.3))
    assert int(changed.prepare(frame_of(second["cut"], 1)).tensor.sum()) == second["input_sum"]


def test_several_people_have_the_networks_boxes_in_pixels_of_the_image() -> None:
    movenet = network("movenet-multipose")
    prepared = movenet.prepare(Frame(np.zeros((480, 640, 3), np.uint8)))
    assert prepared.tensor.shape == (1, 192, 256, 3)
    result = movenet.decode({"people": np.stack([MIDDLE, MIDDLE * 0.1])[None]}, prepared, Wanted.POSES)
    assert [person.box for person in result] == [(0, 120, 321, 361)]
    assert mirror_result(result)[0].box == (319, 120, 640, 361)
    assert result.person is None and "320.0" in result.to_json()
    assert result.plot(np.zeros((480, 640, 3), np.uint8)).any()


def test_boxes_outside_the_image_are_cut_at_its_border() -> None:
    movenet = network("movenet-multipose")
    prepared = movenet.prepare(Frame(np.zeros((480, 640, 3), np.uint8)))
    wide = MIDDLE.copy()
    wide[51:55] = -0.1, -0.1, 1.2, 1.2
    assert movenet.decode({"people": wide[None, None]}, prepared, Wanted.POSES)[0].box == (0, 0, 640, 480)


@pytest.mark.parametrize(
    ("card", "outputs", "words"),
    [
        ("movenet-lightning", {"people": np.zeros((1, 6, 56), np.float32)}, r"1×1×17×3.*\(1, 6, 56\)"),
        ("movenet-multipose", {"people": np.zeros((1, 1, 17, 3), np.float32)}, r"1×any×56"),
        ("movenet-lightning", {}, "none"),
        ("movenet-lightning", {"people": np.full((1, 1, 17, 3), math.nan, np.float32)}, "NaN"),
    ],
)
def test_an_output_of_another_network_is_refused(card: str, outputs: dict[str, np.ndarray], words: str) -> None:
    movenet = network(card)
    prepared = movenet.prepare(Frame(np.zeros((48, 64, 3), np.uint8)))
    with pytest.raises(EngineError, match=words):
        movenet.decode(outputs, prepared, Wanted.POSES)


def test_a_size_off_the_grid_is_refused() -> None:
    with pytest.raises(SettingsError, match="input_side is 250, but it must be a multiple of 32 from 32 to 2048"):
        make_plan({"model": "movenet-multipose", "input_side": 250}, Settings)


@pytest.mark.parametrize("name", ["movenet-lightning", "movenet-thunder", "movenet-multipose"])
def test_a_file_is_recognised_by_its_folder_or_its_tensors(name: str, tmp_path: Path) -> None:
    located = locate(load_card(name), 16, 4)
    if located is None:
        pytest.skip(f"no file of {name}: put it into a folder of $BODYSEG_MODEL_PATH")
    assert recognize(located.index, 16, all_cards()).name == name
    unknown = tmp_path / "mine"
    unknown.mkdir()
    for path in located.index.parent.iterdir():
        (unknown / path.name).symlink_to(path.resolve())
    nameless = [card.model_copy(update={"sha256": {}}) for card in all_cards()]
    found = recognize(unknown / located.index.name, 16, nameless)
    assert (found.network, found.input_size) == ("movenet", load_card(name).input_size)


def test_the_address_is_the_one_of_the_reference(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = []

    def download(address: str, folder: Path, *_: Any) -> Path:
        asked.append(address)
        (tmp_path / "model.json").write_text('{"weightsManifest": []}')
        return tmp_path / "model.json"

    monkeypatch.setenv("BODYSEG_MODEL_PATH", "")
    monkeypatch.setattr("bodyseg_ros.catalog.find.cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr("bodyseg_ros.catalog.find.download_model", download)
    find_model(load_card("movenet-thunder"), ModelSettings(try_model_files=False))
    assert asked == ["https://tfhub.dev/google/tfjs-model/movenet/singlepose/thunder/4/model.json?tfjs-format=file"]
