"""PoseNet against the reference's answers, from its raw tensors and from the photos; and its options."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import bodyseg_ros as bodyseg
from bodyseg_ros.catalog import load_card
from bodyseg_ros.errors import EngineError, SettingsError
from bodyseg_ros.networks.posenet import PoseNet, PoseNetSettings
from bodyseg_ros.settings import build
from bodyseg_ros.types import Frame, Wanted
from golden import pose_arrays

CARD = load_card("posenet-mobilenet-050")


def cases(shared: Path) -> list[tuple[str, np.ndarray, dict[str, Any], Path]]:
    found = []
    for path in sorted((shared / "golden/posenet").glob("*/*.json")):
        image = cv2.imread(str(shared / f"golden/inputs/{path.parent.name}.png"), cv2.IMREAD_COLOR)
        name = f"{path.parent.name}/{path.stem}"
        stored = json.loads(path.read_text())
        found.append((name, cv2.cvtColor(image, cv2.COLOR_BGR2RGB), stored, path.with_suffix(".npz")))
    assert found
    return found


def options(stored: dict[str, Any], kind: str) -> PoseNetSettings:
    """Our options for a stored run of `posenet`: its own defaults are 5 poses, 0.5 and 20."""
    given = stored["config"][f"{kind}Config"]
    size = stored["config"]["inputResolutionRequested"]
    return PoseNetSettings(
        input_resolution=f"{size['width']}x{size['height']}",
        max_poses=1 if kind == "single" else given.get("maxDetections", 5),
        score_threshold=given.get("scoreThreshold", 0.5),
        nms_radius=given.get("nmsRadius", 20),
        flip_horizontal=given.get("flipHorizontal", False),
    )


def agree(poses: Any, expected: list[dict[str, Any]], atol_px: float, atol_score: float, name: str) -> None:
    points, keypoint_scores, scores = pose_arrays(expected)
    np.testing.assert_allclose(poses.keypoints, points, atol=atol_px, rtol=0, err_msg=name)
    np.testing.assert_allclose(poses.keypoint_scores, keypoint_scores, atol=atol_score, err_msg=name)
    np.testing.assert_allclose(poses.scores, scores, atol=atol_score, err_msg=name)


def expected_of(stored: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    found = stored[f"posenet_{kind}"]
    return [found] if isinstance(found, dict) else found


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_the_references_tensors_give_the_references_poses(shared: Path, kind: str) -> None:
    seen = 0
    for name, image, stored, arrays in cases(shared):
        with np.load(arrays) as raw:
            if "raw/heatmap_scores" not in raw:
                continue
            scores = raw["raw/heatmap_scores"].astype(np.float64)
            heads = {
                "heatmap": np.log(scores / (1 - scores)).astype(np.float32),
                "offset": raw["raw/offsets"],
                "displacement_fwd": raw["raw/displacement_fwd"],
                "displacement_bwd": raw["raw/displacement_bwd"],
            }
        network = PoseNet(CARD, options(stored, kind), stored["config"]["outputStride"])
        result = network.decode(heads, network.prepare(Frame(image)), Wanted.POSES)
        agree(result.poses, expected_of(stored, kind), 1e-3, 1e-5, name)
        seen += 1
    assert seen >= 2


@pytest.mark.parametrize("stride", [8, 16])
def test_the_photos_give_the_references_poses(shared: Path, stride: int) -> None:
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed: pip install 'bodyseg_ros[tensorflow]'")
    folder = shared / f"models/posenet_050_golden_tfjs_stride{stride}"
    chosen = [case for case in cases(shared) if case[2]["config"]["outputStride"] == stride]
    assert chosen
    with bodyseg.load("posenet-mobilenet-050", model_path=str(folder), output_stride=stride) as model:
        for name, image, stored, _ in chosen:
            for kind in ("single", "multi"):
                model.network = model.network.with_settings(options(stored, kind))
                agree(model.segment(image).poses, expected_of(stored, kind), 0.05, 1e-3, f"{name} {kind}")


@pytest.mark.parametrize(
    ("text", "size"), [(257, (257, 257)), ("641x481", (481, 641)), ("640x480", (481, 641)), (300, (289, 289))]
)
def test_the_input_is_brought_down_to_the_strides_grid(text: Any, size: tuple[int, int]) -> None:
    network = PoseNet(CARD, build(PoseNetSettings, {"input_resolution": text}), 16)
    prepared = network.prepare(Frame(np.zeros((480, 640, 3), np.uint8)))
    assert prepared.tensor.shape == (1, *size, 3)


@pytest.mark.parametrize("value", ["wide", "257x", "20", "100x3000", -1, 1.5, True])
def test_a_wrong_input_size_is_refused_by_name(value: Any) -> None:
    with pytest.raises(SettingsError, match=r"input_resolution is .*, but it must be .* from 33 to 2049"):
        build(PoseNetSettings, {"input_resolution": value})


def test_it_makes_poses_alone() -> None:
    network = PoseNet(CARD, PoseNetSettings(), 16)
    assert network.offers == Wanted.POSES
    prepared = network.prepare(Frame(np.zeros((48, 64, 3), np.uint8)))
    result = network.decode({}, prepared, Wanted.PERSON)
    assert result.person is None
    assert result.poses is None


def test_a_model_without_displacements_is_named() -> None:
    network = PoseNet(CARD, PoseNetSettings(), 16)
    prepared = network.prepare(Frame(np.zeros((48, 64, 3), np.uint8)))
    heads = {"heatmap": np.zeros((17, 17, 17), np.float32), "offset": np.zeros((17, 17, 34), np.float32)}
    with pytest.raises(EngineError, match="no output for displacement_fwd, displacement_bwd"):
        network.decode(heads, prepared, Wanted.POSES)
