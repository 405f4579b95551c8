"""Networks written in other formats compute what they did, at any size of picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bodyseg_ros.engines import open_engine
from bodyseg_ros.errors import ModelFileError, SettingsError
from bodyseg_ros.formats import ModelSource
from bodyseg_ros.lab.conversion import convert_model
from formats.tiny import random, tf, traced, write_tfjs, write_v1

HEADS = {"segments": "float_segments", "heatmaps": "MobilenetV1/heatmap_2/BiasAdd"}


def network(picture: Any) -> None:
    """What MobileNets and ResNets are made of: strides, dilations, pooling, a sum, and heads."""
    x = tf.nn.relu6(tf.nn.bias_add(tf.nn.conv2d(picture, random(3, 3, 3, 8), 2, "SAME"), random(8)))
    deep = tf.raw_ops.DepthwiseConv2dNative(
        input=x, filter=random(3, 3, 8, 1), strides=[1, 1, 1, 1], padding="SAME", dilations=[1, 2, 2, 1]
    )
    x = tf.nn.relu(tf.nn.bias_add(deep, random(8))) + tf.nn.max_pool2d(x, 3, 1, "SAME")
    tf.nn.conv2d(x, random(1, 1, 8, 1), 1, "SAME", name="float_segments")
    halves = tf.nn.depthwise_conv2d(x * 0.5 - 0.1, random(3, 3, 8, 2), [1, 2, 2, 1], "SAME")
    with tf.name_scope("MobilenetV1/heatmap_2"):
        tf.nn.bias_add(tf.nn.conv2d(halves, random(1, 1, 16, 17), 1, "VALID"), random(17), name="BiasAdd")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> ModelSource:
    path = write_tfjs(tmp_path_factory.mktemp("tfjs"), traced(network))
    return ModelSource(path, "tfjs", "sub_2", HEADS)


def answers(source: ModelSource, picture: np.ndarray) -> dict[str, np.ndarray]:
    engine = open_engine("auto", source, {})
    try:
        return {name: np.array(array) for name, array in engine.run(picture).items()}
    finally:
        engine.close()


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height).normal(size=(1, height, width, 3)).astype(np.float32)


@pytest.mark.parametrize("kind", ["tflite", "onnx", "saved_model"])
def test_a_converted_network_gives_the_same(source: ModelSource, tmp_path: Path, kind: Any) -> None:
    pytest.importorskip({"tflite": "ai_edge_litert", "onnx": "onnxruntime", "saved_model": "tensorflow"}[kind])
    made = convert_model(source, kind, tmp_path / f"made.{kind}")
    assert set(made.outputs.values()) == {"float_segments", "heatmap_2"}
    for size in ((33, 49), (17, 17), (24, 31)):
        expected, found = answers(source, picture(*size)), answers(made, picture(*size))
        for head in HEADS:
            np.testing.assert_allclose(found[head], expected[head], atol=2e-5, err_msg=f"{head} {size}")
    # A card's names of the tensors find the outputs too.
    if kind != "saved_model":
        assert answers(replace(made, outputs=HEADS), picture(33, 33)).keys() == HEADS.keys()


@pytest.mark.parametrize("kind", ["tflite", "onnx"])
def test_a_file_of_2018_is_converted(source: ModelSource, tmp_path: Path, kind: Any) -> None:
    pytest.importorskip({"tflite": "ai_edge_litert", "onnx": "onnxruntime"}[kind])
    old = replace(source, path=write_v1(tmp_path, traced(network)), format="tfjs-v1")
    made = convert_model(old, kind, tmp_path / f"made.{kind}")
    expected, found = answers(source, picture(33, 49)), answers(made, picture(33, 49))
    np.testing.assert_allclose(found["heatmaps"], expected["heatmaps"], atol=2e-5)


@pytest.mark.parametrize(("quantize", "share"), [("float16", 0.01), ("dynamic", 0.1), ("int8", 0.3)])
def test_a_quantised_network_is_smaller_and_near(
    source: ModelSource, tmp_path: Path, quantize: Any, share: float
) -> None:
    pytest.importorskip("ai_edge_litert")
    made = convert_model(source, "tflite", tmp_path / "made.tflite", quantize, [picture(33, 33)])
    expected, found = answers(source, picture(33, 33)), answers(made, picture(33, 33))
    for head, values in expected.items():
        difference = float(np.abs(found[head] - values).max())
        assert 0 < difference < share * float(np.ptp(values)), head


def test_what_is_there_is_replaced(source: ModelSource, tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "old").touch()
    convert_model(source, "saved_model", tmp_path / "made")
    assert not (tmp_path / "made" / "old").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made"]


def test_what_cannot_be_written_is_said(source: ModelSource, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--quantize is 'int8'.*onnx.*tflite"):
        convert_model(source, "onnx", tmp_path / "made.onnx", "int8")
    with pytest.raises(SettingsError, match="int8.*photos"):
        convert_model(source, "tflite", tmp_path / "made.tflite", "int8")
    with pytest.raises(ModelFileError, match="'onnx'.*tfjs"):
        convert_model(ModelSource(tmp_path / "made.onnx", "onnx"), "tflite", tmp_path / "made.tflite")

    def strange(picture: Any) -> None:
        tf.identity(tf.image.resize(picture, [9, 9]), "float_segments")

    path = write_tfjs(tmp_path, traced(strange))
    strange_source = ModelSource(path, "tfjs", "sub_2", {"segments": "float_segments"})
    pytest.importorskip("onnx")
    with pytest.raises(ModelFileError, match="ONNX.*ResizeBilinear"):
        convert_model(strange_source, "onnx", tmp_path / "made.onnx")
    assert not (tmp_path / "made.onnx").exists()
