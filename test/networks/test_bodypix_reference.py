"""From the photo, with our own run of the network, to the reference's answers: every stored case."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import bodyseg_ros as bodyseg
from golden import bodypix_cases, pose_arrays

pytest.importorskip("tensorflow", reason="TensorFlow is not installed: pip install '.[tensorflow]'")

#: The reference's option names → ours. Its flipHorizontal is not among them: the package that made the stored cases
#: ignores it, ours mirrors as the documentation says (test_bodypix.py).
OPTIONS = {
    "internalResolution": "internal_resolution",
    "segmentationThreshold": "segmentation_threshold",
    "maxDetections": "max_detections",
    "scoreThreshold": "score_threshold",
    "nmsRadius": "nms_radius",
    "minKeypointScore": "min_keypoint_score",
    "refineSteps": "refine_steps",
}


@pytest.fixture(scope="module")
def models(shared: Path) -> dict[int, bodyseg.Model]:
    folder = shared / "models/bodypix_050_tfjs"
    return {stride: bodyseg.load(model_path=str(folder), output_stride=stride) for stride in (8, 16)}


def test_every_stored_case(shared: Path, models: dict[int, bodyseg.Model]) -> None:
    seen: set[str] = set()
    for case in bodypix_cases(shared):
        model = models[case.stride]
        options = {OPTIONS[key]: value for key, value in case.options.items() if key in OPTIONS}
        seen |= options.keys()
        model.network = model.network.with_settings(model.network.Settings(**{"score_threshold": 0.4} | options))
        result = model.segment(case.image)
        pixels = case.image.shape[0] * case.image.shape[1]
        assert np.count_nonzero(result.person != case["segmentPerson"]) <= 2e-4 * pixels, case.name
        assert np.count_nonzero(result.parts != case["segmentPersonParts"]) <= 1e-3 * pixels, case.name
        expected = [pose for pose in case.poses["all"] if pose["score"] >= options.get("score_threshold", 0.4)]
        points, keypoint_scores, scores = pose_arrays(expected)
        np.testing.assert_allclose(result.poses.keypoints, points, atol=0.05, err_msg=case.name)
        np.testing.assert_allclose(result.poses.keypoint_scores, keypoint_scores, atol=1e-3, err_msg=case.name)
        np.testing.assert_allclose(result.poses.scores, scores, atol=1e-3, err_msg=case.name)
    assert seen == set(OPTIONS.values())
