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
CHANNELS = {"heatmaps": 17, "short_offsets": 34, "displacement_fwd": 32, "displacement_bwd": 32}


def cases(shared: Path) -> list[tuple[str, np.ndarray, dict[str, Any], Path]]:
    found = []
    for path in sorted((shared / "golden/posenet").glob("*/*.json")):
        image = cv2.imread(str(shared / f"golden/inputs/{path.parent.name}.png"), cv2.IMREAD_COLOR)
        name = f"{path.parent.name}/{path.stem}"
        stored = json.loads(path.read_text())
        found.append((name, cv2.cvtColor(image, cv2.COLOR_BGR2RGB), stored, path.with_suffix(".npz")))
    assert found
    return found


def options(stored: dict[str, Any], package: str, kind: str) -> PoseNetSettings:
    """Our options for a stored run: the defaults of the packages' multi-pose calls are 5 poses, 0.5 and 20."""
    given = stored["config"][f"{kind}Config"]
    if package == "pose_detection":
        given = stored["config"]["poseDetectionMultiConfig"]
    size = stored["config"]["inputResolutionRequested"]
    return PoseNetSettings(
        input_resolution=f"{size['width']}x{size['height']}",
        borders="zeros" if package == "posenet" else "replicated",
        max_poses=1 if kind == "single" else given.get("maxDetections", given.get("maxPoses", 5)),
        score_threshold=given.get("scoreThreshold", 0.5),
        nms_radius=given.get("nmsRadius", 20),
        flip_horizontal=given.get("flipHorizontal", False),
    )


def agree(poses: Any, expected: list[dict[str, Any]], atol_px: float, atol_score: float, name: str) -> None:
    points, keypoint_scores, scores = pose_arrays(expected)
    np.testing.assert_allclose(poses.keypoints, points, atol=atol_px, rtol=0, err_msg=name)
    np.testing.assert_allclose(poses.keypoint_scores, keypoint_scores, atol=atol_score, err_msg=name)
    np.testing.assert_allclose(poses.scores, scores, atol=atol_score, err_msg=name)


def expected_of(stored: dict[str, Any], package: str, kind: str) -> list[dict[str, Any]]:
    """The stored poses in the form that the package `posenet` has."""
    found = stored[f"{package}_{kind}"]
    if package == "posenet":
        return [found] if isinstance(found, dict) else found
    return [
        {**pose, "keypoints": [{"score": point["score"], "position": point} for point in pose["keypoints"]]}
        for pose in found
    ]


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
        network = PoseNet(CARD, options(stored, "posenet", kind), stored["config"]["outputStride"])
        result = network.decode(heads, network.prepare(Frame(image)), Wanted.POSES)
        agree(result.poses, expected_of(stored, "posenet", kind), 1e-3, 1e-5, name)
        seen += 1
    assert seen >= 2


@pytest.mark.parametrize("package", ["posenet", "pose_detection"])
def test_the_network_sees_what_the_references_network_sees(shared: Path, package: str) -> None:
    seen = 0
    for name, image, stored, arrays in cases(shared):
        with np.load(arrays) as raw:
            if "raw/resized" not in raw:
                continue
            expected = raw["raw/resized"] if package == "posenet" else raw["raw/pose_detection_image_tensor"][0]
        network = PoseNet(CARD, options(stored, package, "single"), stored["config"]["outputStride"])
        tensor = network.prepare(Frame(image)).tensor[0]
        np.testing.assert_allclose((tensor + 1) * 127.5, expected, atol=0.02, err_msg=name)
        seen += 1
    assert seen >= 2


@pytest.mark.parametrize("package", ["posenet", "pose_detection"])
@pytest.mark.parametrize("stride", [8, 16])
def test_the_photos_give_the_references_poses(shared: Path, stride: int, package: str) -> None:
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed: pip install '.[tensorflow]'")
    folder = shared / f"models/posenet_050_golden_tfjs_stride{stride}"
    chosen = [case for case in cases(shared) if case[2]["config"]["outputStride"] == stride]
    assert chosen
    with bodyseg.load("posenet-mobilenet-050", model_path=str(folder), output_stride=stride) as model:
        for name, image, stored, _ in chosen:
            for kind in ("single", "multi"):
                model.network = model.network.with_settings(options(stored, package, kind))
                agree(model.segment(image).poses, expected_of(stored, package, kind), 0.05, 1e-3, f"{name} {kind}")


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


@pytest.mark.parametrize(
    ("name", "stride", "quant_bytes"),
    [
        ("posenet-mobilenet-075", 8, 4),
        ("posenet-mobilenet-100", 32, 4),
        ("posenet-resnet50", 16, 2),
        ("posenet-resnet50", 32, 1),
    ],
)
def test_every_architecture_stride_and_precision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, stride: int, quant_bytes: int
) -> None:
    """Random weights in the published format and under the published names, decoded by hand."""
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed: pip install '.[tensorflow]'")
    from formats.tiny import tf, traced, write_tfjs

    card = load_card(name)
    weights = {}
    for head, count in CHANNELS.items():
        steps = np.random.default_rng(count).integers(-128, 128, (3, count))
        steps[0, :2] = -128, 127  # all 256 values of a byte: they are stored without loss at any precision
        weights[head] = (steps / 2**13).astype(np.float32)

    def build(picture: Any) -> None:
        for head, tensor in card.outputs.items():
            convolved = tf.nn.conv2d(picture, weights[head][None, None], stride, "SAME")
            tf.nn.bias_add(convolved, np.zeros(CHANNELS[head], np.float32), name=tensor)

    folder = tmp_path / name / {4: "float", 2: "quant2", 1: "quant1"}[quant_bytes]
    folder.mkdir(parents=True)
    write_tfjs(folder, traced(build), {4: "", 2: "uint16", 1: "uint8"}[quant_bytes])
    (folder / "model.json").rename(folder / f"model-stride{stride}.json")
    monkeypatch.setenv("BODYSEG_MODEL_PATH", str(tmp_path))
    image = np.random.default_rng(0).integers(0, 256, (129, 129, 3), np.uint8)
    options = {"output_stride": stride, "quant_bytes": quant_bytes, "input_resolution": 129, "engine": "tensorflow"}
    with bodyseg.load(name, **options) as model:
        poses = model.segment(image).poses
    # The picture has the network's size, so cell (i, j) sees pixel (i·stride, j·stride) alone.
    shifted = image[::stride, ::stride].astype(np.float64)
    seen = shifted - np.array((123.15, 115.9, 103.06)) if "resnet" in name else shifted / 127.5 - 1
    heat, offsets = seen @ weights["heatmaps"], seen @ weights["short_offsets"]
    for joint in range(17):
        y, x = np.unravel_index(heat[..., joint].argmax(), heat.shape[:2])
        point = (x * stride + offsets[y, x, joint + 17], y * stride + offsets[y, x, joint])
        np.testing.assert_allclose(poses.keypoints[0, joint], point, atol=1e-3)
    assert (poses.keypoint_scores[0] >= 0.5).all()


@pytest.mark.parametrize("name", ["posenet-mobilenet-050", "posenet-mobilenet-075"])
def test_stride_32_needs_the_whole_network(name: str) -> None:
    with pytest.raises(SettingsError, match=f"output_stride is 32.*{name}.*8 or 16"):
        bodyseg.load(name, output_stride=32)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"max_poses": 0}, "max_poses is 0.*integer.* 1 to 100"),
        ({"score_threshold": 1.5}, "score_threshold is 1.5.*number.* 0 to 1"),
        ({"nms_radius": -1}, "nms_radius is -1.*number above 0, up to 1000"),
        ({"nms_radius": 0}, "nms_radius is 0.*number above 0, up to 1000"),
        ({"flip_horizontal": "left"}, "flip_horizontal is 'left'.* true or false"),
        ({"borders": "mirrored"}, "borders is 'mirrored'.* zeros, replicated"),
        ({"internal_resolution": 0.5}, "no parameter 'internal_resolution'.*input_resolution"),
    ],
)
def test_wrong_options_are_refused_by_name(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        build(PoseNetSettings, options)
