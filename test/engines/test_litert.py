"""The LiteRT engine on small networks, and what it says of files it cannot run."""

from __future__ import annotations

import logging
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bodyseg_ros.engines.litert import LiteRTEngine, LiteRTSettings
from bodyseg_ros.errors import EngineError, MissingDependencyError, ModelFileError, SettingsError
from bodyseg_ros.formats import ModelSource
from bodyseg_ros.plugins import load_plugin
from bodyseg_ros.settings import build
from engines import small


@pytest.fixture
def engine(tmp_path: Path) -> LiteRTEngine:
    return LiteRTEngine(small.tflite(tmp_path), LiteRTSettings(), 1)


def test_it_is_the_plugin(engine: LiteRTEngine, tmp_path: Path) -> None:
    assert load_plugin("engines", "litert") is LiteRTEngine
    assert engine.device == "CPU, 1 thread, XNNPACK"
    plain = LiteRTEngine(small.tflite(tmp_path), LiteRTSettings(xnnpack=False), 3)
    assert plain.device == "CPU, 3 threads"
    np.testing.assert_allclose(
        plain.run(small.picture(17, 17))["segments"], engine.run(small.picture(17, 17))["segments"], atol=1e-4
    )


def test_a_failure_leaves_it_usable(tmp_path: Path) -> None:
    # Flattening to a stated length holds at the stated size alone.
    serve = small.tf.function(
        lambda picture: {"flat": small.tf.reshape(picture, [1, 4 * 4 * 3])},
        input_signature=[small.tf.TensorSpec([1, 4, 4, 3], small.tf.float32)],
    )
    module = small.tf.Module()
    module.serve = serve
    convert = small.tf.lite.TFLiteConverter.from_concrete_functions([serve.get_concrete_function()], module)
    (tmp_path / "flat.tflite").write_bytes(convert.convert())
    engine = LiteRTEngine(ModelSource(tmp_path / "flat.tflite", "tflite"), LiteRTSettings())
    first = engine.run(small.picture(4, 4))
    with pytest.raises(EngineError, match=r"flat.tflite .* \(1, 6, 4, 3\): .*; the file states 1×4"):
        engine.run(small.picture(6, 4))
    with pytest.raises(EngineError, match=r"float32 array of 1×any×any×3.*float32 \(1, 4, 4, 4\)"):
        engine.run(np.zeros((1, 4, 4, 4), np.float32))
    second = engine.run(small.picture(4, 4))
    assert list(first) == list(second)
    np.testing.assert_array_equal(next(iter(first.values())), next(iter(second.values())))


def test_closed_is_closed(engine: LiteRTEngine) -> None:
    engine.close()
    engine.close()
    with pytest.raises(EngineError, match="is closed"):
        engine.run(small.picture(9, 9))


def test_an_output_that_is_not_there(tmp_path: Path) -> None:
    source = replace(small.tflite(tmp_path), outputs={"parts": "float_part_heatmaps"})
    with pytest.raises(ModelFileError, match=r"has no output 'float_part_heatmaps'.*float_"):
        LiteRTEngine(source, LiteRTSettings())


def test_text_and_cut_off_files(tmp_path: Path) -> None:
    whole = small.tflite(tmp_path).path.read_bytes()
    cases = {"text": (b"hello, no model\n", "is not a TFLite file"), "cut": (whole[: len(whole) // 2], "truncated")}
    for name, (data, message) in cases.items():
        (tmp_path / f"{name}.tflite").write_bytes(data)
        with pytest.raises(ModelFileError, match=rf"{name}.tflite' {message}|damaged or {message}"):
            LiteRTEngine(ModelSource(tmp_path / f"{name}.tflite", "tflite"), LiteRTSettings())


def test_a_decoder_of_corals(shared: Path) -> None:
    path = shared / "models/bodypix_075_coral_int8/bodypix_mobilenet_v1_075_640_480_16_quant_decoder.tflite"
    with pytest.raises(ModelFileError, match=r"PosenetDecoderOp.*_decoder"):
        LiteRTEngine(ModelSource(path, "tflite"), LiteRTSettings())


def test_compiled_for_the_edge_tpu(shared: Path, tmp_path: Path) -> None:
    decoder = shared / "models/bodypix_075_coral_int8/bodypix_mobilenet_v1_075_640_480_16_quant_decoder.tflite"
    # The names' lengths, 16 and 17, stand before them; the byte after the shorter one is free.
    data = decoder.read_bytes().replace(b"\x10\0\0\0PosenetDecoderOp\0", b"\x11\0\0\0edgetpu-custom-op")
    path = tmp_path / "model_edgetpu.tflite"
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match=r"edgetpu-custom-op.*Edge TPU.*litert.delegate"):
        LiteRTEngine(ModelSource(path, "tflite"), LiteRTSettings())


def test_what_xnnpack_refuses_runs_without_it(shared: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = ModelSource(shared / "models/portrait/portrait_video_quant.tflite", "tflite")
    with caplog.at_level(logging.WARNING):
        engine = LiteRTEngine(source, LiteRTSettings(), 1)
    assert "XNNPACK cannot run portrait_video_quant.tflite" in caplog.text
    assert engine.device == "CPU, 1 thread"
    (mask,) = engine.run(np.zeros((1, 224, 224, 4), np.float32)).values()
    assert mask.shape == (1, 50176)
    assert 0 <= mask.min() <= mask.max() <= 1


def test_delegates(tmp_path: Path) -> None:
    source = small.tflite(tmp_path)
    with pytest.raises(SettingsError, match=r"litert.delegate is 'libnothing.so'.*loaded"):
        LiteRTEngine(source, LiteRTSettings(delegate="libnothing.so"))
    import ai_edge_litert

    no_delegate = str(Path(ai_edge_litert.__file__).parent / "libLiteRt.so")
    with pytest.raises(SettingsError, match=r"libLiteRt.so'.*delegate.*undefined symbol"):
        LiteRTEngine(source, LiteRTSettings(delegate=no_delegate))
    with pytest.raises(SettingsError, match=r"litert.delegate_options has 'usb'.* name=value"):
        build(LiteRTSettings, {"delegate_options": ("usb",)}, prefix="litert")


def test_without_litert(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(MissingDependencyError, match=r"'litert'.*'ai_edge_litert'.*pip install ai-edge-litert"):
        LiteRTEngine(small.tflite(tmp_path), LiteRTSettings())


def test_it_loads_no_tensorflow(tmp_path: Path) -> None:
    path = small.tflite(tmp_path).path
    program = (
        "import sys; import numpy as np; from pathlib import Path; from bodyseg_ros.formats import ModelSource;"
        "from bodyseg_ros.engines import open_engine;"
        f"engine = open_engine('auto', ModelSource(Path({str(path)!r}), 'tflite'), {{}});"
        "engine.run(np.zeros((1, 9, 9, 3), np.float32));"
        "others = [name for name in ('tensorflow', 'openvino', 'onnxruntime') if name in sys.modules];"
        "print(type(engine).__name__, others)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout.strip() == "LiteRTEngine []"
    assert done.stderr == "", "LiteRT says that XNNPACK is used, which is no error"
