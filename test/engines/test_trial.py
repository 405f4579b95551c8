"""A model file that asks for too much is refused before this process opens it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bodyseg_ros.engines import choose, open_engine
from bodyseg_ros.engines.trial import TrialLimits, try_model
from bodyseg_ros.errors import ModelFileError
from bodyseg_ros.formats import ModelSource
from engines.small import onnx as write_onnx

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
helper = onnx.helper


def huge(path: Path) -> ModelSource:
    """A file of under 1 KB whose network fills 4 GB: the size of the tensor is computed from the picture's."""
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Cast", ["shape"], ["counted"], to=onnx.TensorProto.INT64),
        helper.make_node("Mul", ["counted", "factor"], ["sizes"]),
        helper.make_node("ConstantOfShape", ["sizes"], ["filled"]),
        helper.make_node("ReduceSum", ["filled"], ["y"], keepdims=1),
    ]
    info = helper.make_tensor_value_info
    factor = helper.make_tensor("factor", onnx.TensorProto.INT64, [4], [1, 150, 150, 1])
    graph = helper.make_graph(nodes, "g", [info("x", 1, [1, "h", "w", 3])], [info("y", 1, [1, 1, 1, 1])], [factor])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return ModelSource(path, "onnx", unknown_digest="digest")


def test_a_file_that_takes_all_memory_is_refused(tmp_path: Path) -> None:
    source = huge(tmp_path / "huge.onnx")
    assert source.path.stat().st_size < 1000
    with pytest.raises(ModelFileError, match=r"huge\.onnx.*onnxruntime.*700 MB"):
        try_model("onnxruntime", source, {}, tmp_path / "passed", TrialLimits(memory_mb=700, time_s=60))
    assert not (tmp_path / "passed").exists()


def test_a_file_that_takes_too_long_is_refused(tmp_path: Path) -> None:
    source = replace(write_onnx(tmp_path), unknown_digest="digest")
    with pytest.raises(ModelFileError, match=r"0\.05 s"):
        try_model("onnxruntime", source, {}, tmp_path / "passed", TrialLimits(time_s=0.05))


def test_a_file_that_passes_is_opened_and_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(choose, "try_model", try_model)
    source = replace(write_onnx(tmp_path), unknown_digest="digest")
    open_engine("onnxruntime", source, {}).close()
    passed = tmp_path / "bodyseg_ros" / "tried"
    assert [note.name for note in passed.iterdir()] == ["digest-onnxruntime"]
    try_model("onnxruntime", source, {}, passed, TrialLimits(time_s=0.0))
    other = replace(source, unknown_digest="another digest")
    with pytest.raises(ModelFileError):
        try_model("onnxruntime", other, {}, passed, TrialLimits(time_s=0.0))


def test_a_file_that_is_no_model_is_left_to_the_real_attempt(tmp_path: Path) -> None:
    path = tmp_path / "notes.onnx"
    path.write_text("no model")
    try_model("onnxruntime", ModelSource(path, "onnx"), {}, tmp_path / "passed")
