"""The OpenVINO engine on a small network, and what it says where something is missing."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import numpy as np
import pytest

from bodyseg_ros.engines.openvino import OpenVINOEngine, OpenVINOSettings
from bodyseg_ros.errors import EngineError, MissingDependencyError, ModelFileError, SettingsError
from bodyseg_ros.formats import ModelSource
from bodyseg_ros.plugins import load_plugin
from bodyseg_ros.settings import build
from engines import small

pytest.importorskip("openvino")


@pytest.fixture
def engine(tmp_path: Path) -> OpenVINOEngine:
    return OpenVINOEngine(small.tflite(tmp_path), OpenVINOSettings(), 1)


def test_it_is_the_plugin(engine: OpenVINOEngine) -> None:
    assert load_plugin("engines", "openvino") is OpenVINOEngine
    assert engine.device == "CPU, 1 thread"
    engine.close()
    with pytest.raises(EngineError, match="is closed"):
        engine.run(small.picture(9, 9))


def test_outputs_outlive_the_next_run(engine: OpenVINOEngine) -> None:
    first = engine.run(small.picture(33, 33))["segments"]
    kept = first.copy()
    engine.run(small.picture(33, 33, seed=1))
    np.testing.assert_array_equal(first, kept)


def test_many_sizes(engine: OpenVINOEngine, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for side in (9, 17, 25, 33, 41, 9):
        assert engine.run(small.picture(side, side))["heatmaps"].shape == (1, (side + 3) // 4, (side + 3) // 4, 17)
    (line,) = [record.getMessage() for record in caplog.records if record.name.endswith("openvino")]
    assert "small-float32.tflite" in line and "any size" in line


def test_a_size_after_many_has_the_same_outputs(engine: OpenVINOEngine, tmp_path: Path) -> None:
    for side in (9, 17, 25, 33):
        engine.run(small.picture(side, side))
    other = OpenVINOEngine(small.tflite(tmp_path), OpenVINOSettings(), 1)
    for height, width in ((41, 57), (33, 33), (65, 9)):
        one, truth = (each.run(small.picture(height, width)) for each in (engine, other))
        for head, array in truth.items():
            np.testing.assert_allclose(one[head], array, atol=1e-5)


def test_a_failure_leaves_it_usable(engine: OpenVINOEngine) -> None:
    with pytest.raises(EngineError, match=r"float32 array of 1×any×any×3.*float32 \(1, 9, 9, 4\)"):
        engine.run(np.zeros((1, 9, 9, 4), np.float32))
    assert engine.run(small.picture(9, 9))["segments"].shape == (1, 3, 3, 1)


def test_an_8_bit_file_that_it_cannot_compile(shared: Path) -> None:
    source = ModelSource(shared / "models/portrait/portrait_video_quant.tflite", "tflite")
    engine = OpenVINOEngine(source, OpenVINOSettings())
    for _ in range(2):
        with pytest.raises(EngineError, match=r"openvino.* portrait_video_quant.tflite .*\(1, 224, 224, 4\)"):
            engine.run(np.zeros((1, 224, 224, 4), np.float32))


def test_files_it_cannot_run(shared: Path, tmp_path: Path) -> None:
    decoder = shared / "models/bodypix_075_coral_int8/bodypix_mobilenet_v1_075_640_480_16_quant_decoder.tflite"
    with pytest.raises(ModelFileError, match=r"openvino refuses .*_decoder.tflite': "):
        OpenVINOEngine(ModelSource(decoder, "tflite"), OpenVINOSettings())
    (tmp_path / "notes.xml").write_text("hello, no model")
    with pytest.raises(ModelFileError, match=r"notes.xml'.*OpenVINO"):
        OpenVINOEngine(ModelSource(tmp_path / "notes.xml", "openvino"), OpenVINOSettings())


def test_settings(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"openvino.device is 'GPU.7'.*CPU.* here"):
        OpenVINOEngine(small.tflite(tmp_path), OpenVINOSettings(device="GPU.7"))
    with pytest.raises(SettingsError, match=r"openvino.precision is 'int4'.* f32, bf16, f16"):
        build(OpenVINOSettings, {"precision": "int4"}, prefix="openvino")


def test_without_openvino(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingDependencyError, match=r"'openvino'.*pip install '.*\[openvino\]'"):
        OpenVINOEngine(small.tflite(tmp_path), OpenVINOSettings())
