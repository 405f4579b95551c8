"""The onnxruntime engine on a small network, and what it says where something is missing."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from bodyseg_ros.engines.onnxruntime import OnnxRuntimeEngine, OnnxRuntimeSettings
from bodyseg_ros.errors import EngineError, MissingDependencyError, ModelFileError, SettingsError
from bodyseg_ros.formats import ModelSource
from bodyseg_ros.plugins import load_plugin
from bodyseg_ros.settings import build
from engines import small

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture
def engine(tmp_path: Path) -> OnnxRuntimeEngine:
    return OnnxRuntimeEngine(small.onnx(tmp_path), OnnxRuntimeSettings(providers=("cpu",)), 1)


def test_it_is_the_plugin(engine: OnnxRuntimeEngine) -> None:
    assert load_plugin("engines", "onnxruntime") is OnnxRuntimeEngine
    assert engine.device == "CPU, 1 thread"
    engine.close()
    with pytest.raises(EngineError, match="is closed"):
        engine.run(small.picture(9, 9))


def test_a_failure_leaves_it_usable(tmp_path: Path) -> None:
    helper, info = onnx.helper, onnx.helper.make_tensor_value_info
    sizes = onnx.numpy_helper.from_array(np.array([1, 12], np.int64), "sizes")
    graph = helper.make_graph(
        [helper.make_node("Reshape", ["x", "sizes"], ["y"])], "flat",
        [info("x", 1, [1, "h", "w", 3])], [info("y", 1, [1, 12])], [sizes],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(tmp_path / "flat.onnx"))
    engine = OnnxRuntimeEngine(ModelSource(tmp_path / "flat.onnx", "onnx"), OnnxRuntimeSettings())
    with pytest.raises(EngineError, match=r"onnxruntime.* flat.onnx .*\(1, 4, 4, 3\): "):
        engine.run(small.picture(4, 4))
    with pytest.raises(EngineError, match=r"float32 array of 1×any×any×3.*uint8 \(1, 2, 2, 3\)"):
        engine.run(np.zeros((1, 2, 2, 3), np.uint8))
    np.testing.assert_array_equal(engine.run(small.picture(2, 2))["y"], small.picture(2, 2).reshape(1, 12))


def test_files_it_cannot_run(tmp_path: Path) -> None:
    whole = small.onnx(tmp_path)
    with pytest.raises(ModelFileError, match=r"has no output 'parts'.*float_segments, float_heatmaps"):
        OnnxRuntimeEngine(replace(whole, outputs={"parts": "parts"}), OnnxRuntimeSettings())
    (tmp_path / "cut.onnx").write_bytes(whole.path.read_bytes()[:-30])
    with pytest.raises(ModelFileError, match=r"cut.onnx'.*ONNX.*damaged"):
        OnnxRuntimeEngine(ModelSource(tmp_path / "cut.onnx", "onnx"), OnnxRuntimeSettings())
    (tmp_path / "foreign.onnx").write_bytes(whole.path.read_bytes().replace(b"\x04Conv", b"\x04Bonv"))
    with pytest.raises(ModelFileError, match=r"cannot load .*foreign.onnx': .*Bonv"):
        OnnxRuntimeEngine(ModelSource(tmp_path / "foreign.onnx", "onnx"), OnnxRuntimeSettings())


def test_providers(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"onnxruntime.providers is 'gpu'.* tensorrt, cuda"):
        build(OnnxRuntimeSettings, {"providers": ("gpu",)}, prefix="onnxruntime")
    assert build(OnnxRuntimeSettings, {"providers": "cuda, cpu"}).providers == ("cuda", "cpu")
    import onnxruntime

    if "TensorrtExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has TensorRT")
    with pytest.raises(SettingsError, match=r"has 'tensorrt'.*only has .*cpu; pip install onnx"):
        OnnxRuntimeEngine(small.onnx(tmp_path), OnnxRuntimeSettings(providers=("tensorrt", "cpu")))


def test_tensorrt_goes_first_where_it_is_there_and_keeps_its_plans(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An onnxruntime that says it has TensorRT, and runs on the CPU all the same."""
    import onnxruntime

    asked: list[list[tuple[str, dict[str, object]]]] = []

    class Session:
        def __init__(self, data: bytes, options: object, providers: list[tuple[str, dict[str, object]]]) -> None:
            asked.append(providers)
            self.inner = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
            self.run = self.inner.run

        def get_providers(self) -> list[str]:
            return [name for name, _ in asked[-1]]

    there = ["CPUExecutionProvider", "TensorrtExecutionProvider"]
    pretended = {"SessionOptions": onnxruntime.SessionOptions, "InferenceSession": Session}
    pretended["get_available_providers"] = lambda: there
    monkeypatch.setitem(sys.modules, "onnxruntime", SimpleNamespace(**pretended))
    engine = OnnxRuntimeEngine(small.onnx(tmp_path), OnnxRuntimeSettings(), 1)
    ((tensorrt, options), (cpu, _)) = asked[0]
    assert (tensorrt, cpu) == ("TensorrtExecutionProvider", "CPUExecutionProvider")
    assert options["trt_engine_cache_enable"] and "bodyseg_ros" in str(options["trt_engine_cache_path"])
    assert engine.leaves_cpu and engine.device == "tensorrt, CPU, 1 thread"
    assert engine.run(small.picture(9, 9))
    OnnxRuntimeEngine(small.onnx(tmp_path), OnnxRuntimeSettings(providers=("cpu",)), 1)
    assert [name for name, _ in asked[1]] == ["CPUExecutionProvider"]


def test_a_profile_has_the_time_of_every_operation(tmp_path: Path) -> None:
    path = tmp_path / "operations.json"
    source = small.onnx(tmp_path)
    engine = OnnxRuntimeEngine(source, OnnxRuntimeSettings(profile=str(path), providers=("cpu",)), 1)
    for _ in range(3):
        engine.run(small.picture(9, 9))
    engine.close()
    timed = [event for event in json.loads(path.read_text()) if event["name"].endswith("_kernel_time")]
    operations = Counter(node.op_type for node in onnx.load(source.path).graph.node)
    assert Counter(event["args"]["op_name"] for event in timed)["Conv"] == 3 * operations["Conv"]
    assert all(event["dur"] >= 0 for event in timed)
    assert not list(tmp_path.glob("operations.json?*"))
    with pytest.raises(SettingsError, match="onnxruntime.profile is '/nowhere/a.json'.*folder '/nowhere'"):
        OnnxRuntimeEngine(source, OnnxRuntimeSettings(profile="/nowhere/a.json"))


def test_without_onnxruntime(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingDependencyError, match=r"'onnxruntime'.*pip install '.*\[onnx\]'"):
        OnnxRuntimeEngine(small.onnx(tmp_path), OnnxRuntimeSettings())
