"""Which engine and which file `engine: auto` takes, and what it says of it."""

from __future__ import annotations

import logging
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bodyseg_ros import load
from bodyseg_ros.engines import open_engine
from bodyseg_ros.engines.litert import LiteRTEngine, LiteRTSettings
from bodyseg_ros.engines.onnxruntime import OnnxRuntimeSettings
from bodyseg_ros.engines.openvino import OpenVINOEngine, OpenVINOSettings
from bodyseg_ros.engines.tensorflow import TensorFlowEngine, TensorFlowSettings
from bodyseg_ros.errors import ModelFileError, PluginError, SettingsError
from bodyseg_ros.formats import ModelSource
from bodyseg_ros.settings import ModelSettings, build
from engines import small

ON_CPU = TensorFlowSettings(device="cpu")


@pytest.fixture
def source(tmp_path: Path) -> ModelSource:
    """A frozen graph, and the same network as tflite."""
    return replace(small.frozen(tmp_path), others=(small.tflite(tmp_path),))


@pytest.fixture
def without_litert(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)


def test_the_fastest_pair(source: ModelSource, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        engine = open_engine("auto", source, {}, 1)
    assert isinstance(engine, LiteRTEngine)
    (line,) = [record.getMessage() for record in caplog.records if record.name.endswith("choose")]
    assert line.startswith(
        "The engine litert (CPU, 1 thread, XNNPACK) runs small-float32.tflite: expected to be faster"
    )
    assert line.endswith("tensorflow.")
    assert engine.run(small.picture(9, 9))["segments"].shape == (1, 3, 3, 1)


@pytest.mark.usefixtures("without_litert")
def test_the_next_where_one_is_missing(source: ModelSource, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("openvino")
    with caplog.at_level(logging.INFO):
        assert isinstance(open_engine("auto", source, {}), OpenVINOEngine)
    assert "The engine openvino (CPU" in caplog.text and "litert" not in caplog.text


def test_one_file_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        engine = open_engine("auto", small.frozen(tmp_path), {"tensorflow": ON_CPU})
    assert isinstance(engine, TensorFlowEngine)
    assert "runs small.pb: no other engine here reads its files." in caplog.text


def test_by_name(source: ModelSource) -> None:
    assert isinstance(open_engine("tensorflow", source, {"tensorflow": ON_CPU}), TensorFlowEngine)
    with pytest.raises(
        PluginError, match=r"'onnxruntime' cannot run small.pb \(frozen\), small-float32.tflite \(tflite\)"
    ):
        open_engine("onnxruntime", source, {})


@pytest.mark.usefixtures("without_litert")
def test_nothing_is_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(
        PluginError,
        match=r"No engine here can run small-float32.tflite \(tflite\). .* openvino .*pip install '.*\[openvino\]",
    ):
        open_engine("auto", small.tflite(tmp_path), {})


def test_a_damaged_file(tmp_path: Path) -> None:
    (tmp_path / "notes.tflite").write_text("no model")
    with pytest.raises(ModelFileError, match=r"notes.tflite'.* TFLite"):
        open_engine("auto", ModelSource(tmp_path / "notes.tflite", "tflite"), {})


def test_a_gpu_comes_first(source: ModelSource, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match=r"tensorflow.device is 'gpu:99'"):
        open_engine("auto", source, {"tensorflow": TensorFlowSettings(device="gpu:99")})
    monkeypatch.setattr("bodyseg_ros.engines.tensorflow.may_use_nvidia", lambda module: True)
    monkeypatch.setattr("bodyseg_ros.engines.tensorflow.load_tensorflow", lambda: small.tf)
    monkeypatch.setattr(small.tf.config, "list_physical_devices", lambda kind: ["one"])
    assert TensorFlowEngine.speed(TensorFlowEngine.Settings()) > LiteRTEngine.speed(LiteRTEngine.Settings())
    assert TensorFlowEngine.speed(TensorFlowEngine.Settings(device="cpu")) < 2


def test_no_engine_leaves_the_cpu_free_on_a_cpu(tmp_path: Path) -> None:
    settings = {"onnxruntime": OnnxRuntimeSettings(providers=("cpu",))}
    onnxruntime = open_engine("onnxruntime", small.onnx(tmp_path), settings)
    tensorflow = open_engine("tensorflow", small.frozen(tmp_path), {"tensorflow": ON_CPU})
    litert = open_engine("litert", small.tflite(tmp_path), {})
    openvino = open_engine("openvino", small.tflite(tmp_path), {})
    engines = (onnxruntime, tensorflow, litert, openvino)
    assert [engine.leaves_cpu for engine in engines] == [False] * 4


@pytest.mark.parametrize(("there", "asked", "leaves"), [("CUDA", "cuda", True), ("OpenVINO", "openvino", False)])
def test_onnxruntime_leaves_the_cpu_free_on_a_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: str, asked: str, leaves: bool
) -> None:
    names = [f"{there}ExecutionProvider", "CPUExecutionProvider"]
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession
    monkeypatch.setattr(runtime, "get_available_providers", lambda: names)
    monkeypatch.setattr(runtime, "InferenceSession", lambda data, options, providers: session(data, options))
    monkeypatch.setattr(session, "get_providers", lambda self: names)
    engine = open_engine("onnxruntime", small.onnx(tmp_path), {}, 1)
    assert (engine.device, engine.leaves_cpu) == (f"{asked}, CPU, 1 thread", leaves)


@pytest.mark.parametrize(("device", "leaves"), [("GPU.0", True), ("NPU", True), ("AUTO", False)])
def test_openvino_leaves_the_cpu_free_on_another_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str, leaves: bool
) -> None:
    openvino = pytest.importorskip("openvino")
    monkeypatch.setattr(openvino.Core, "available_devices", ["CPU", "GPU.0", "NPU"])
    engine = open_engine("openvino", small.tflite(tmp_path), {"openvino": OpenVINOSettings(device=device)})
    assert (engine.device, engine.leaves_cpu) == (device, leaves)


def test_litert_leaves_the_cpu_free_with_a_delegate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bodyseg_ros.engines.litert._delegates", lambda litert, settings: [])
    engine = open_engine("litert", small.tflite(tmp_path), {"litert": LiteRTSettings(delegate="libedgetpu.so.1")}, 1)
    assert (engine.device, engine.leaves_cpu) == ("libedgetpu.so.1, CPU, 1 thread, XNNPACK", True)


def test_an_nvidia_driver_without_packages_for_it(source: ModelSource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "exists", lambda path: True)
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    source = replace(source, others=(*source.others, replace(source, format="onnx")))
    assert isinstance(open_engine("auto", source, {}), LiteRTEngine)


@pytest.mark.parametrize("threads", [-1, 257, "two"])
def test_threads(threads: object) -> None:
    with pytest.raises(SettingsError, match=rf"threads is {threads!r}.*integer.* 0 to 256"):
        build(ModelSettings, {"threads": threads})


def test_threads_reach_the_engine(tmp_path: Path) -> None:
    files = str(small.tflite(tmp_path).path)
    cores = len(os.sched_getaffinity(0))
    for threads, shown in ((1, "1 thread"), (3, "3 threads"), (0, f"{cores} thread{'s' * (cores != 1)}")):
        with load("bodypix-mobilenet-050", model_path=files, threads=threads) as model:
            assert model.engine.device == f"CPU, {shown}, XNNPACK"
