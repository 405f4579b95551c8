"""`bodyseg models convert` on a tiny PoseNet: what it prints, and that engines take the file from then on."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import bodyseg_ros as bodyseg
from bodyseg_ros.catalog import load_card
from bodyseg_ros.cli.models import app
from bodyseg_ros.errors import MediaError, SettingsError

pytest.importorskip("tensorflow", reason="TensorFlow is not installed: pip install '.[tensorflow]'")
pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed: pip install ai-edge-litert")

NAME = "posenet-mobilenet-075"


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A photo beside the model's files; the cache is empty."""
    from formats.tiny import random, tf, traced, write_tfjs

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("BODYSEG_MODEL_PATH", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")

    def build(picture: Any) -> None:
        for place, tensor in enumerate(load_card(NAME).outputs.values()):
            channels = (17, 34, 32, 32)[place]
            convolved = tf.nn.conv2d(picture, random(1, 1, 3, channels, seed=place), 16, "SAME")
            tf.nn.bias_add(convolved, random(channels), name=tensor)

    folder = tmp_path / NAME
    folder.mkdir()
    write_tfjs(folder, traced(build)).rename(folder / "model-stride16.json")
    path = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)).save(path)
    return path


def convert(*words: str) -> str:
    result = CliRunner().invoke(app, ["convert", NAME, *words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def engine_of(**options: Any) -> str:
    with bodyseg.load(NAME, **options) as model:
        model.segment(np.zeros((33, 33, 3), np.uint8))
        return type(model.engine).__name__


def test_a_model_without_files_is_not_converted() -> None:
    with pytest.raises(SettingsError, match="'background'.*no files"):
        CliRunner().invoke(app, ["convert", "background", "--to", "onnx"], catch_exceptions=False)


def test_engines_take_what_was_converted(photo: Path) -> None:
    assert engine_of() == "TensorFlowEngine"
    said = convert("--to", "tflite", "--photo", str(photo))
    assert {"heatmaps", "short_offsets", "displacement_fwd", "displacement_bwd"} <= set(re.findall(r"\w+", said))
    assert "keypoints at most 0.00 px apart" in said
    assert "Engines take it from now on" in said
    assert engine_of() == "LiteRTEngine"
    assert engine_of(engine="tensorflow") == "TensorFlowEngine"
    index = photo.parent / NAME / "model-stride16.json"
    index.write_text(index.read_text() + " ")  # other files, another network: the conversion is not theirs
    assert engine_of() == "TensorFlowEngine"


def test_what_is_quantised_waits_to_be_named(photo: Path) -> None:
    convert("--to", "tflite", "--photo", str(photo))
    said = convert("--to", "tflite", "--quantize", "int8", "--calibration", str(photo.parent), "--photo", str(photo))
    shares = [float(share) for share in re.findall(r"([\d.e-]+) %", said)]
    assert len(shares) == 4 and all(0.1 < share < 20 for share in shares)  # against the original, not the float file
    (path,) = re.findall(r"--model-path (\S+)", said)
    assert Path(path).name == "model-stride16-int8.tflite"
    assert engine_of(model_path=path) == "LiteRTEngine"


def test_a_folder_without_photos_is_named(photo: Path) -> None:
    empty = photo.parent / "empty"
    empty.mkdir()
    with pytest.raises(MediaError, match="empty' has no photos"):
        convert("--to", "tflite", "--quantize", "int8", "--calibration", str(empty), "--photo", str(photo))
    with pytest.raises(SettingsError, match="--calibration"):
        convert("--to", "tflite", "--quantize", "int8", "--photo", str(photo))


def test_a_file_and_a_part_of_it_are_converted(photo: Path) -> None:
    path = photo.parent / NAME / "model-stride16.json"
    words = ["convert", str(path), "--to", "tfjs", "--photo", str(photo)]
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert "keypoints at most 0.00 px apart" in result.output and f"--model {NAME} --model-path" in result.output
    words = ["convert", str(path), "--to", "onnx", "--output", "Conv2D", "--input-size", "33x49", "--json"]
    said = json.loads(CliRunner().invoke(app, words, catch_exceptions=False).output)
    assert said["outputs"].keys() == {"Conv2D"} and said["outputs"]["Conv2D"]["largest_difference"] < 1e-4
    assert said["path"].endswith("model-stride16-Conv2D-33x49.onnx")
    with pytest.raises(SettingsError, match="--input-size is '33'.*WIDTHxHEIGHT"):
        CliRunner().invoke(app, ["convert", NAME, "--to", "onnx", "--input-size", "33"], catch_exceptions=False)
