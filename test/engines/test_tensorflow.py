"""The TensorFlow engine, on a network of two operations."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bodyseg_ros.engines.tensorflow import TensorFlowEngine, TensorFlowSettings
from bodyseg_ros.errors import EngineError, MissingDependencyError, ModelFileError, SettingsError
from bodyseg_ros.formats import ModelSource, load_tensorflow
from bodyseg_ros.lab.conversion import convert_model
from bodyseg_ros.plugins import load_plugin
from bodyseg_ros.settings import build, parameters

tf = load_tensorflow()


def write(path: Path, divide: bool = False) -> ModelSource:
    with tf.Graph().as_default() as graph:
        picture = tf.compat.v1.placeholder(tf.float32, [1, None, None, 3], "sub_2")
        if divide:
            tf.reshape(picture, [1, 2, 2, 3], name="float_segments")
        else:
            tf.multiply(picture, 2.0, "float_segments")
    path.write_bytes(graph.as_graph_def().SerializeToString())
    return ModelSource(path, "frozen", outputs={"segments": "float_segments"})


@pytest.fixture
def engine(tmp_path: Path) -> TensorFlowEngine:
    return TensorFlowEngine(write(tmp_path / "net.pb"), TensorFlowSettings(device="cpu"))


def test_it_is_the_plugin(engine: TensorFlowEngine) -> None:
    assert load_plugin("engines", "tensorflow") is TensorFlowEngine
    assert engine.device.startswith("CPU")


def test_any_size_without_tracing_again(engine: TensorFlowEngine) -> None:
    for height, width in ((3, 5), (9, 2), (3, 5)):
        picture = np.random.default_rng(0).random((1, height, width, 3), np.float32)
        outputs = engine.run(picture)
        assert list(outputs) == ["segments"]
        assert outputs["segments"].dtype == np.float32
        np.testing.assert_array_equal(outputs["segments"], picture * 2)


@pytest.mark.parametrize(
    ("tensor", "have"),
    [
        (np.zeros((4, 4, 3), np.float32), r"float32 \(4, 4, 3\)"),
        (np.zeros((1, 4, 4, 3), np.uint8), r"uint8 \(1, 4, 4, 3\)"),
        (np.zeros((1, 4, 4, 4), np.float32), r"float32 \(1, 4, 4, 4\)"),
        (np.zeros((2, 4, 4, 3), np.float32), r"float32 \(2, 4, 4, 3\)"),
        (np.zeros((1, 0, 4, 3), np.float32), r"float32 \(1, 0, 4, 3\)"),
        ("picture", "str"),
    ],
)
def test_a_wrong_tensor_is_said(engine: TensorFlowEngine, tensor: Any, have: str) -> None:
    message = rf"The network takes a float32 array of 1×any×any×3, but it was given {have}\."
    with pytest.raises(EngineError, match=message):
        engine.run(tensor)


def test_tensorflows_own_errors_are_wrapped(tmp_path: Path) -> None:
    engine = TensorFlowEngine(write(tmp_path / "net.pb", divide=True), TensorFlowSettings(device="cpu"))
    assert engine.run(np.zeros((1, 2, 2, 3), np.float32))["segments"].shape == (1, 2, 2, 3)
    with pytest.raises(EngineError, match=r"net.pb on CPU.*\(1, 5, 5, 3\): .*reshape"):
        engine.run(np.zeros((1, 5, 5, 3), np.float32))


def test_closed_is_closed(engine: TensorFlowEngine) -> None:
    engine.close()
    engine.close()
    with pytest.raises(EngineError, match="is closed"):
        engine.run(np.zeros((1, 2, 2, 3), np.float32))


def test_a_file_it_cannot_read(tmp_path: Path) -> None:
    (tmp_path / "net.pb").write_bytes(b"no graph")
    with pytest.raises(ModelFileError, match=r"net.pb'.*TensorFlow"):
        TensorFlowEngine(ModelSource(tmp_path / "net.pb", "frozen"), TensorFlowSettings())


@pytest.mark.parametrize("device", ["gpu", "GPU:0", "cuda", "gpu:-1", ""])
def test_unknown_devices(device: str) -> None:
    with pytest.raises(SettingsError, match=rf"tensorflow.device is '{device}'.* auto, cpu, or gpu:0"):
        build(TensorFlowSettings, {"device": device}, prefix="tensorflow")


def test_a_gpu_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"tensorflow.device is 'gpu:99'.*GPU here.*\[gpu\]"):
        TensorFlowEngine(write(tmp_path / "net.pb"), TensorFlowSettings(device="gpu:99"))


def test_threads_come_too_late(engine: TensorFlowEngine, tmp_path: Path) -> None:
    engine.run(np.zeros((1, 2, 2, 3), np.float32))
    with pytest.raises(SettingsError, match=r"Parameter threads is 13.*start a new"):
        TensorFlowEngine(write(tmp_path / "net.pb"), TensorFlowSettings(), 13)


def test_threads_in_time(tmp_path: Path) -> None:
    """Looking at files, which finds out what network they hold, does not start TensorFlow's threads."""
    convert_model(write(tmp_path / "net.pb"), "saved_model", tmp_path / "saved")
    program = (
        "import numpy as np; from pathlib import Path; from bodyseg_ros.formats import ModelSource, describe;"
        "from bodyseg_ros.engines.tensorflow import *; import os;"
        "settings = TensorFlowSettings(device='cpu', jit=True);"
        f"source = ModelSource(Path({str(tmp_path / 'net.pb')!r}), 'frozen'); describe(source);"
        f"describe(ModelSource(Path({str(tmp_path / 'saved')!r}), 'saved_model'));"
        "first, second = TensorFlowEngine(source, settings, 3), TensorFlowEngine(source, settings, 3);"
        "second.run(np.zeros((1, 2, 2, 3), np.float32));"
        "print(second.device, os.environ['TF_CPP_MIN_LOG_LEVEL'], sep=';')"
    )
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "CPU, 3 threads;1"


def test_xla_compiles_for_a_few_sizes_only(engine: TensorFlowEngine, caplog: pytest.LogCaptureFixture) -> None:
    engine._compiled = set()  # as on a GPU
    for side in (2, 3, 2, 4, 5, 3, 6, 2):
        picture = np.full((1, side, side, 3), 1.5, np.float32)
        np.testing.assert_array_equal(engine.run(picture)["segments"], picture * 2)
    (warning,) = caplog.records
    assert warning.getMessage() == "XLA has compiled the network for 4 sizes; it runs uncompiled from now on."


def test_without_tensorflow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    source = write(tmp_path / "net.pb")
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(MissingDependencyError, match=r"'tensorflow'.*pip install '.*\[tensorflow\]'"):
        TensorFlowEngine(source, TensorFlowSettings())


def test_every_setting_is_described() -> None:
    assert {parameter.name for parameter in parameters(TensorFlowSettings)} == {
        "device", "memory_limit_mb", "mixed_float16", "jit", "decode_on_device",
    }  # fmt: skip
    assert all(parameter.description and not parameter.live for parameter in parameters(TensorFlowSettings))
