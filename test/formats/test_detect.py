"""From a path to what lies there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bodyseg_ros.errors import ModelFileError, ModelNotFoundError
from bodyseg_ros.formats import ModelSource, detect, read_file


@pytest.mark.parametrize(
    ("names", "given", "path", "kind"),
    [
        (["model-stride8.json", "model-stride16.json", "model.json"], "", "model-stride8.json", "tfjs"),
        (["model-stride16.json", "model.json"], "", "model.json", "tfjs"),
        (["model-stride16.json"], "model-stride16.json", "model-stride16.json", "tfjs"),
        (["tensorflowjs_model.pb", "weights_manifest.json"], "", "tensorflowjs_model.pb", "tfjs-v1"),
        (
            ["tensorflowjs_model.pb", "weights_manifest.json"],
            "weights_manifest.json",
            "tensorflowjs_model.pb",
            "tfjs-v1",
        ),
        (["saved_model.pb"], "", "", "saved_model"),
        (["saved_model.pb"], "saved_model.pb", "", "saved_model"),
        (["frozen.pb", "readme.txt"], "", "frozen.pb", "frozen"),
        (["a.tflite", "b.tflite"], "b.tflite", "b.tflite", "tflite"),
        (["a.onnx"], "", "a.onnx", "onnx"),
    ],
)
def test_what_a_path_means(tmp_path: Path, names: list[str], given: str, path: str, kind: str) -> None:
    for name in names:
        (tmp_path / name).touch()
    assert detect(tmp_path / given, 8) == ModelSource(tmp_path / path, kind, output_stride=8)


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=r"no model at '.*nothing'"):
        detect(tmp_path / "nothing", 16)
    (tmp_path / "model-stride16.json").touch()
    with pytest.raises(ModelNotFoundError, match=r"no model for output stride 32: .*there: model-stride16.json"):
        detect(tmp_path, 32)
    (tmp_path / "photo.png").touch()
    with pytest.raises(ModelFileError, match=r"photo.png'.*model"):
        detect(tmp_path / "photo.png", 16)


@pytest.mark.parametrize("name", ["slim.h5", "slim.keras"])
def test_keras_own_files_may_hold_code_and_are_not_read(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(ModelFileError, match=f"{name}'.*Keras.*Python code"):
        detect(tmp_path / name, 16)


@pytest.mark.parametrize("name", ["model.tflite", "model.json", "model.onnx", "model.pb", "model.xml"])
def test_only_regular_files_are_opened(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    for target, kind in ((tmp_path / "pipe", "pipe"), (Path("/dev/zero"), "device")):
        link = tmp_path / name
        link.symlink_to(target)
        with pytest.raises(ModelFileError, match=rf"{name}.*{kind}"):
            detect(link, 16)
        with pytest.raises(ModelFileError, match=rf"{name}.*{kind}"):
            read_file(link)
        link.unlink()


def test_a_link_to_itself_is_a_sentence(tmp_path: Path) -> None:
    link = tmp_path / "model.onnx"
    link.symlink_to(link)
    with pytest.raises(ModelNotFoundError, match=r"model\.onnx.*itself"):
        detect(link, 16)
