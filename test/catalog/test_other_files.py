"""A card may name the same network in other formats; those that lie beside its file are offered to the engines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from bodyseg_ros.catalog import find_model, load_card
from bodyseg_ros.errors import ModelFileError
from bodyseg_ros.formats import ModelSource
from bodyseg_ros.settings import ModelSettings

DIGEST = "0" * 64


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files of a card `both`: tfjs, and the names of a tflite and an ONNX file."""
    monkeypatch.setenv("BODYSEG_MODEL_PATH", str(tmp_path))
    card = json.loads(load_card("bodypix-mobilenet-050").model_dump_json())
    card |= {"name": "both", "folder_names": [], "sha256": {"float/model-stride8.onnx": DIGEST}}
    card["other_files"] = {"tflite": "model-stride{stride}.tflite", "onnx": "model-stride{stride}.onnx"}
    (tmp_path / "both.yaml").write_text(yaml.safe_dump(card))
    (tmp_path / "both").mkdir()
    for stride in (8, 16):
        tree = {"modelTopology": {"node": []}, "weightsManifest": []}
        (tmp_path / "both" / f"model-stride{stride}.json").write_text(json.dumps(tree))
    (tmp_path / "both" / "model-stride16.tflite").write_bytes(b"")
    return tmp_path / "both"


def found(**values: Any) -> ModelSource:
    return find_model(load_card("both"), ModelSettings(model="both", **values))[1]


def test_those_that_are_here(folder: Path) -> None:
    source = found()
    assert (source.format, source.path) == ("tfjs", folder / "model-stride16.json")
    (other,) = source.others
    assert (other.format, other.path) == ("tflite", folder / "model-stride16.tflite")
    assert (other.outputs, other.output_stride) == (source.outputs, 16)


def test_of_the_stride_that_was_chosen(folder: Path) -> None:
    assert found(output_stride=8).others == ()


def test_a_file_of_ones_own_has_no_others(folder: Path) -> None:
    own = found(model_path=str(folder / "model-stride16.json"))
    assert own.others == ()


def test_a_changed_file_is_refused(folder: Path) -> None:
    (folder / "model-stride8.onnx").write_bytes(b"other")
    with pytest.raises(ModelFileError, match=r"model-stride8.onnx' has changed"):
        found(output_stride=8)
