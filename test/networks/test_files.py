"""Real files of every kind: recognized by themselves, and right on real photos."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

import bodyseg_ros as bodyseg
from bodyseg_ros.catalog import all_cards, recognize
from bodyseg_ros.errors import ModelFileError
from bodyseg_ros.types import Wanted
from golden import bodypix_cases, pose_arrays

#: File → its card, the package that its engine needs, and a floor for the IoU of all person pixels on eight street
#: photos, 0.03 below what was measured; none where it makes no masks.
FILES = {
    "bodypix_050_tfjs": ("bodypix-mobilenet-050", "tensorflow", 0.63),
    "bodypix_050_frozen_stride16.pb": ("bodypix-mobilenet-050-frozen", "tensorflow", 0.63),
    "bodypix_075_tfjs": ("bodypix-mobilenet-075", "tensorflow", 0.65),
    "bodypix_v1_tfjs/model_50": ("bodypix-v1-mobilenet-050", "tensorflow", 0.81),
    "onnx/bodypix_050_stride16.onnx": ("bodypix-mobilenet-050-onnx", "onnxruntime", 0.63),
    "onnx/bodypix_050_stride8.onnx": ("bodypix-mobilenet-050-onnx", "onnxruntime", 0.66),
    "bodypix_075_coral_int8/bodypix_mobilenet_v1_075_720_1280_16_quant.tflite": (
        "bodypix-mobilenet-075-coral",
        "ai_edge_litert",
        0.65,
    ),
    "posenet_075_tfjs": ("posenet-mobilenet-075", "tensorflow", None),
    "posenet_050_golden_tfjs_stride8": ("posenet_050_golden_tfjs_stride8", "tensorflow", None),
    "posenet_050_golden_tfjs_stride16": ("posenet_050_golden_tfjs_stride16", "tensorflow", None),
    "posenet_075_coral_int8": ("posenet-mobilenet-075-coral", "ai_edge_litert", None),
    "deeplab/tfjs": ("deeplab-mobilenet-v2-dm05-tfjs", "tensorflow", 0.75),
    "deeplab/deeplabv3_mnv2_dm05_pascal_frozen_inference_graph.pb": ("deeplab-mobilenet-v2-dm05", "tensorflow", 0.75),
    "deeplab/deeplabv3_257_mv_gpu.tflite": ("deeplab-mobilenet-v2-257", "ai_edge_litert", 0.74),
    "portrait/SINet_Softmax.onnx": ("portrait-sinet-320", "onnxruntime", 0.76),
    "portrait/prisma_nchw.onnx": ("portrait-prisma-256-onnx", "onnxruntime", 0.79),
    "portrait/prisma-net.tflite": ("portrait-prisma-256", "ai_edge_litert", 0.79),
    "portrait/prisma-net_uint8.tflite": ("portrait-prisma-256-quant", "ai_edge_litert", 0.79),
    "portrait/prisma_quant.tflite": ("portrait-prisma-256-int8", "ai_edge_litert", 0.80),
    "portrait/bilinear_fin_munet_uint8.tflite": ("portrait-mobile-unet-128", "ai_edge_litert", 0.74),
    "portrait/slim_reshape_v2.tflite": ("portrait-slim-512", "ai_edge_litert", 0.59),
    "portrait/mnv3_seg_float.tflite": ("portrait-mobilenet-v3-256", "ai_edge_litert", 0.69),
    "portrait/mnv3_post_quant.tflite": ("portrait-mobilenet-v3-256-int8", "ai_edge_litert", 0.60),
    "portrait/mnv3_post_quant_aware.tflite": ("portrait-mobilenet-v3-256-int8-aware", "ai_edge_litert", 0.64),
    "portrait/portrait_video_quant.tflite": ("portrait-net-video-224", "ai_edge_litert", 0.50),
}
SHIFT_PX = 8


@pytest.fixture(scope="module")
def people(shared: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Street photos (H, W, 3) RGB with the true person mask (H, W) bool."""
    folder, found = shared / "train/ccp", []
    for path in sorted((folder / "masks").glob("*.png"))[::107]:
        (photo,) = folder.rglob(f"{path.stem}.jpg")
        image = cv2.cvtColor(cv2.imread(str(photo)), cv2.COLOR_BGR2RGB)
        found.append((image, cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) > 127))
    return found


@pytest.fixture
def opened(shared: Path, request: pytest.FixtureRequest) -> Iterator[bodyseg.Model]:
    """A file, opened by its path alone."""
    pytest.importorskip(FILES[request.param][1])
    with bodyseg.load(model_path=str(shared / "models" / request.param)) as model:
        assert model.network.card.name == FILES[request.param][0]
        yield model


def iou(masks: list[np.ndarray], truths: list[np.ndarray]) -> float:
    both = sum(np.count_nonzero(mask & truth) for mask, truth in zip(masks, truths, strict=True))
    return both / sum(np.count_nonzero(mask | truth) for mask, truth in zip(masks, truths, strict=True))


@pytest.mark.parametrize("opened", [file for file in FILES if FILES[file][2]], indirect=True)
def test_a_file_by_itself_gives_masks_that_lie_on_people(
    opened: bodyseg.Model, people: list[tuple[np.ndarray, np.ndarray]], request: pytest.FixtureRequest
) -> None:
    floor = FILES[request.node.callspec.params["opened"]][2]
    truths = [truth for _, truth in people]
    masks = [opened.segment(image, Wanted.PERSON).person == 1 for image, _ in people]
    assert iou(masks, truths) > floor
    # The best place is where they are: moved to any side they fit less.
    for axis in (0, 1):
        for way in (-SHIFT_PX, SHIFT_PX):
            assert iou([np.roll(mask, way, axis) for mask in masks], truths) < iou(masks, truths)


@pytest.mark.parametrize("opened", [file for file in FILES if not FILES[file][2]], indirect=True)
def test_a_file_by_itself_gives_poses(opened: bodyseg.Model, shared: Path) -> None:
    image = cv2.cvtColor(cv2.imread(str(shared / "golden/inputs/portrait_410x512.png")), cv2.COLOR_BGR2RGB)
    poses = opened.segment(image, Wanted.POSES).poses
    left, right = poses.keypoints[0, 5], poses.keypoints[0, 6]
    assert poses.keypoint_scores[0, :7].min() > 0.5  # face and shoulders
    assert left[0] > right[0] and abs(left[1] - right[1]) < 80  # he faces the camera


@pytest.mark.parametrize(
    ("file", "package"),
    [
        ("bodypix_050_frozen_stride16.pb", "tensorflow"),
        ("onnx/bodypix_050_stride16.onnx", "onnxruntime"),
        ("onnx/bodypix_050_stride8.onnx", "onnxruntime"),
    ],
)
def test_the_same_weights_in_another_form_give_the_references_answer(shared: Path, file: str, package: str) -> None:
    pytest.importorskip(package)
    stride = 8 if "stride8" in file else 16
    cases = [case for case in bodypix_cases(shared) if not case.options and case.stride == stride]
    assert cases
    with bodyseg.load(model_path=str(shared / "models" / file), output_stride=stride, score_threshold=0.4) as model:
        for case in cases:
            result = model.segment(case.image)
            pixels = case.image.shape[0] * case.image.shape[1]
            assert np.count_nonzero(result.person != case["segmentPerson"]) <= 2e-4 * pixels, case.name
            assert np.count_nonzero(result.parts != case["segmentPersonParts"]) <= 1e-3 * pixels, case.name
            points, _, scores = pose_arrays([pose for pose in case.poses["all"] if pose["score"] >= 0.4])
            np.testing.assert_allclose(result.poses.keypoints, points, atol=0.05, err_msg=case.name)
            np.testing.assert_allclose(result.poses.scores, scores, atol=1e-3, err_msg=case.name)


def test_corals_eight_bit_heads_tell_what_the_float_network_tells(shared: Path) -> None:
    pytest.importorskip("tensorflow")
    pytest.importorskip("ai_edge_litert")
    folder = shared / "models"
    image = cv2.cvtColor(cv2.imread(str(shared / "golden/inputs/couple_960x639.png")), cv2.COLOR_BGR2RGB)
    with bodyseg.load("bodypix-mobilenet-075", model_path=str(folder / "bodypix_075_tfjs")) as model:
        exact = model.segment(image)
    file = folder / "bodypix_075_coral_int8/bodypix_mobilenet_v1_075_720_1280_16_quant.tflite"
    with bodyseg.load(model_path=str(file)) as model:
        eight = model.segment(image)
    assert iou([eight.person == 1], [exact.person == 1]) > 0.92
    assert len(eight.poses) == len(exact.poses) == 2
    seen = exact.poses.keypoint_scores > 0.8
    away = np.linalg.norm(eight.poses.keypoints - exact.poses.keypoints, axis=-1)[seen]
    assert np.median(away) < 6  # px of 960 × 639; a step of the stored offsets is 1.6
    both = (exact.person == 1) & (eight.person == 1)
    assert np.mean(eight.parts[both] == exact.parts[both]) > 0.85
    assert np.mean(eight.instances[both] == exact.instances[both]) > 0.97


def test_the_form_of_2018_sees_one_person_with_parts(shared: Path) -> None:
    pytest.importorskip("tensorflow")
    image = cv2.cvtColor(cv2.imread(str(shared / "golden/inputs/portrait_410x512.png")), cv2.COLOR_BGR2RGB)
    with bodyseg.load(model_path=str(shared / "models/bodypix_v1_tfjs/model_50")) as old:
        result = old.segment(image)
        assert old.network.prepare(bodyseg.Frame(image)).tensor.shape == (1, 353, 257, 3)
    assert len(result.poses) == 1
    np.testing.assert_array_equal(result.instances == 0, result.person == 1)
    nose = result.poses.keypoints[0, 0]
    assert {int(part) for part in np.unique(result.parts)} >= {-1, 0, 1, 12}  # both halves of the face, the torso
    head = result.parts[int(nose[1]) - 5 : int(nose[1]) + 5, int(nose[0]) - 5 : int(nose[0]) + 5]
    assert np.isin(head, (0, 1)).all()


def test_a_portrait_network_whose_normalisation_nobody_knows_is_refused(shared: Path, tmp_path: Path) -> None:
    changed = bytearray((shared / "models/portrait/prisma-net.tflite").read_bytes())
    changed[-200] ^= 1  # another checksum
    renamed = tmp_path / "mine.tflite"
    renamed.write_bytes(changed)
    message = r"mine.tflite' looks like a portrait network, .* Set model to its card: .*portrait-mobile-u"
    with pytest.raises(ModelFileError, match=message):
        recognize(renamed, 16, all_cards())
    pytest.importorskip("ai_edge_litert")
    with bodyseg.load("portrait-mobile-unet-128", model_path=str(renamed)) as model:
        assert model.network.card.input_size == (256, 256)  # what the file itself says


def test_a_known_file_under_another_name_is_recognised_by_its_checksum(shared: Path, tmp_path: Path) -> None:
    renamed = tmp_path / "model.tflite"
    renamed.write_bytes((shared / "models/portrait/mnv3_seg_float.tflite").read_bytes())
    assert recognize(renamed, 16, all_cards()).name == "portrait-mobilenet-v3-256"
