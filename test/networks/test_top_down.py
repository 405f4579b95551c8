"""Top-down networks: their vectors and maps decoded as calculated by hand, and small files of the same form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import bodyseg_ros as bodyseg
from bodyseg_ros.catalog import load_card
from bodyseg_ros.errors import EngineError
from bodyseg_ros.networks.top_down import TopDown, TopDownSettings
from bodyseg_ros.types import Frame, Wanted
from per_person import spots

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def decode(outputs: dict[str, np.ndarray], height: int = 256, width: int = 192, **options: float) -> bodyseg.Result:
    network = TopDown(load_card("rtmpose-m-256x192"), TopDownSettings(**options), 16)
    prepared = network.prepare(Frame(np.zeros((height, width, 3), np.uint8)))
    return network.decode(outputs, prepared, Wanted.POSES)


def test_a_simcc_keypoint_is_at_its_highest_bins_with_the_lower_of_both_scores() -> None:
    x, y = np.zeros((1, 17, 384), np.float32), np.zeros((1, 17, 512), np.float32)
    x[0, :, 100], y[0, :, 301] = 0.9, 0.6
    x[0, 3, 7], y[0, 3, 511] = 1.3, 1.2
    poses = decode({"simcc_y": y, "simcc_x": x}).poses
    np.testing.assert_allclose(poses.keypoints[0, 0], (50, 150.5))
    np.testing.assert_allclose(poses.keypoints[0, 3], (3.5, 255.5))
    np.testing.assert_allclose(poses.keypoint_scores[0, :4], (0.6, 0.6, 0.6, 1.0))
    np.testing.assert_allclose(poses.scores, [(16 * 0.6 + 1.0) / 17], rtol=1e-6)


def test_a_heatmaps_maximum_moves_a_quarter_cell_to_its_greater_neighbor() -> None:
    maps = np.zeros((1, 17, 64, 48), np.float32)
    maps[0, :, 20, 10] = 0.8
    maps[0, :, 20, 11], maps[0, :, 19, 10] = 0.5, 0.4
    maps[0, 1] = 0
    maps[0, 1, 0, 1] = maps[0, 1, 0, 2] = 0.8  # on the border: not moved
    poses = decode({"maps": maps}).poses
    np.testing.assert_allclose(poses.keypoints[0, 0], (4 * 10.25, 4 * 19.75))
    np.testing.assert_allclose(poses.keypoints[0, 1], (4, 0))


def test_an_image_of_another_aspect_is_padded() -> None:
    # 400×300 px fit 4:3 high as 533.3×400: 66.7 px above, so input px 128 is the middle row.
    x, y = np.zeros((1, 17, 384), np.float32), np.zeros((1, 17, 512), np.float32)
    x[0, :, 192], y[0, :, 256] = 1, 1
    np.testing.assert_allclose(decode({"a_x": x, "b_y": y}, 300, 400).poses.keypoints[0, 0], (200, 150), atol=0.6)


def test_files_of_wholebody_keypoints_give_cocos_and_a_weak_person_is_nobody() -> None:
    x, y = np.full((1, 133, 384), 0.1, np.float32), np.full((1, 133, 512), 0.1, np.float32)
    assert len(decode({"simcc_x": x, "simcc_y": y})) == 0
    assert decode({"simcc_x": x, "simcc_y": y}, score_threshold=0.05).poses.keypoints.shape == (1, 17, 2)


@pytest.mark.parametrize(
    "outputs",
    [
        {},
        {"x": np.zeros((1, 17, 384), np.float32)},
        {"x": np.zeros((1, 16, 384), np.float32), "y": np.zeros((1, 16, 512), np.float32)},
        {"x": np.zeros((1, 17, 384), np.float32), "y": np.zeros((1, 26, 512), np.float32)},
        {"maps": np.zeros((2, 17, 64, 48), np.float32)},
        {"maps": np.full((1, 17, 64, 48), np.nan, np.float32)},
    ],
)
def test_other_outputs_are_refused(outputs: dict[str, np.ndarray]) -> None:
    with pytest.raises(EngineError, match="SimCC|NaN"):
        decode(outputs)


@pytest.mark.parametrize(("write", "tolerance_px"), [(spots.simcc, 0.5), (spots.heatmaps, 4)])
def test_a_file_of_another_size_is_recognised_and_finds_the_spots(write, tolerance_px: float, tmp_path: Path) -> None:
    path = write(tmp_path / "mine.onnx", size=(384, 288))
    image = np.zeros((384, 288, 3), np.uint8)
    places = np.array([(60, 100), (200, 50), (150, 300)])  # of red, green, blue: x, y
    for channel, (x, y) in enumerate(places):
        image[y, x, channel] = 255
    with bodyseg.load(model_path=str(path)) as model:
        assert (model.network.name, model.network.card.input_size) == ("top_down", (384, 288))
        keypoints = model(image).poses.keypoints[0]
    away = np.abs(keypoints - places[spots.CHANNEL_OF]).max()
    assert away <= tolerance_px
