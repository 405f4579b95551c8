"""The decoders on the reference's own tensors give the reference's own answers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bodyseg_ros.decode import (
    confidence_map,
    decode_poses,
    decode_single_pose,
    instance_map,
    part_map,
    person_mask,
)
from bodyseg_ros.decode import sigmoid as to_scores
from bodyseg_ros.decoder_inputs import LongOffsets, PoseHeads, PoseLimits
from bodyseg_ros.geometry import padded_geometry
from bodyseg_ros.networks.prepare import resize_padded
from bodyseg_ros.types import Poses
from golden import Case, bodypix_cases, load_case, pose_arrays

#: The old package's default, which the stored runs were made with.
GOLDEN_SCORE_THRESHOLD = 0.4


@pytest.fixture(scope="module")
def raw_cases(shared: Path) -> list[Case]:
    cases = [case for case in bodypix_cases(shared) if "raw/segments" in case]
    assert len(cases) >= 6
    return cases


def decoded(case: Case) -> tuple[np.ndarray, Poses]:
    tree = (case[f"raw/{name}"][0] for name in ("short_offsets", "displacement_fwd", "displacement_bwd"))
    limits = PoseLimits(
        case.options.get("maxDetections", 10),
        case.options.get("scoreThreshold", GOLDEN_SCORE_THRESHOLD),
        case.options.get("nmsRadius", 20),
    )
    return decode_poses(PoseHeads(to_scores(case["raw/heatmaps"][0]), *tree, stride=case.stride), limits)


def masks(case: Case) -> tuple[np.ndarray, np.ndarray]:
    threshold = case.options.get("segmentationThreshold", 0.7)
    person = person_mask(confidence_map(case["raw/segments"][0], case.geometry), threshold)
    return person, part_map(case["raw/part_heatmaps"][0], person, case.geometry)


def test_padding_and_resized_input(raw_cases: list[Case]) -> None:
    for case in raw_cases:
        ours = padded_geometry(*case.image.shape[:2], *case.config["internalResolutionHeightAndWidth"])
        assert ours == case.geometry, case.name
        resized = resize_padded(case.image, ours)
        np.testing.assert_allclose(resized, case["raw/resized"], atol=1e-3, err_msg=case.name)


def test_masks_and_parts(raw_cases: list[Case]) -> None:
    for case in raw_cases:
        person, parts = masks(case)
        assert np.count_nonzero(person != case["segmentPerson"]) <= 5, case.name
        assert np.count_nonzero(parts != case["segmentPersonParts"]) <= 5, case.name


def test_poses(raw_cases: list[Case]) -> None:
    for case in raw_cases:
        keypoints, poses = decoded(case)
        points, keypoint_scores, scores = pose_arrays(case.poses["all"])
        np.testing.assert_allclose(case.geometry.to_source_px(keypoints), points, atol=1e-3, err_msg=case.name)
        np.testing.assert_allclose(poses.keypoint_scores, keypoint_scores, atol=1e-5, err_msg=case.name)
        np.testing.assert_allclose(poses.scores, scores, atol=1e-5, err_msg=case.name)


@pytest.mark.parametrize("name", ["poses_plain", "poses_ties", "poses_wild_disp"])
def test_synthetic_poses(shared: Path, name: str) -> None:
    tensors = np.load(shared / f"golden/synthetic/{name}.npz")
    expected = json.loads((shared / f"golden/synthetic/{name}.json").read_text())
    config = expected["config"]
    names = ("heatmap_scores", "short_offsets", "displacement_fwd", "displacement_bwd")
    keypoints, poses = decode_poses(
        PoseHeads(*(tensors[name] for name in names), stride=config["outputStride"]),
        PoseLimits(config["maxDetections"], config["scoreThreshold"], config["nmsRadius"]),
    )
    points, keypoint_scores, scores = pose_arrays(expected["multi"])
    np.testing.assert_allclose(keypoints, points, atol=1e-3)
    np.testing.assert_allclose(poses.keypoint_scores, keypoint_scores, atol=1e-5)
    np.testing.assert_allclose(poses.scores, scores, atol=1e-5)

    single_points, single = decode_single_pose(
        tensors["heatmap_scores"], tensors["short_offsets"], stride=config["outputStride"]
    )
    points, keypoint_scores, scores = pose_arrays([expected["single"]])
    np.testing.assert_allclose(single_points, points, atol=1e-3)
    np.testing.assert_allclose(single.keypoint_scores, keypoint_scores, atol=1e-5)
    np.testing.assert_allclose(single.scores, scores, atol=1e-5)


def test_one_mask_per_person(raw_cases: list[Case], shared: Path) -> None:
    """Against the browser's version: it is what the documentation describes."""
    compared = 0
    for case in raw_cases:
        path = shared / "golden/bodypix_webgl" / f"{case.name}.json"
        if not path.exists() or not case.poses["people"]:
            continue
        browser = load_case(shared, path)
        keypoints, everyone = decoded(case)
        source = case.geometry.to_source_px(keypoints).astype(np.float32)
        poses = Poses(source, everyone.keypoint_scores, everyone.scores)
        poses = poses.only(poses.scores >= GOLDEN_SCORE_THRESHOLD)
        person, parts = masks(case)
        instances = instance_map(
            LongOffsets(case["raw/long_offsets"][0], case.stride, case.geometry),
            person,
            poses,
            refine_steps=case.options.get("refineSteps", 10),
            min_keypoint_score=case.options.get("minKeypointScore", 0.3),
        )
        expected, expected_parts = browser["segmentMultiPerson"], browser["segmentMultiPersonParts"]
        assert len(expected) == len(poses), case.name
        for index, mask in enumerate(expected):
            ours = instances == index
            overlap = np.count_nonzero(ours & (mask > 0)) / np.count_nonzero(ours | (mask > 0))
            assert overlap >= 0.99, (case.name, index, overlap)
            both = ours & (mask > 0)
            assert np.count_nonzero(parts[both] != expected_parts[index][both]) <= 5, (case.name, index)
            compared += 1
    assert compared >= 9
