"""Networks written in other formats compute what they did, at any size of picture."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bodyseg_ros.engines import open_engine
from bodyseg_ros.errors import ModelFileError, SettingsError
from bodyseg_ros.formats import ModelSource
from bodyseg_ros.lab.conversion import convert_model
from bodyseg_ros.settings import Size
from formats.tiny import expected, random, tf, traced, write_saved_model, write_tfjs, write_v1

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
    with pytest.raises(SettingsError, match="--quantize is 'int8'.*onnx.*none"):
        convert_model(source, "onnx", tmp_path / "made.onnx", "int8")
    with pytest.raises(SettingsError, match="int8.*photos"):
        convert_model(source, "tflite", tmp_path / "made.tflite", "int8")
    with pytest.raises(ModelFileError, match="'onnx'.*tfjs"):
        convert_model(ModelSource(tmp_path / "made.onnx", "onnx"), "tflite", tmp_path / "made.tflite")

    def strange(picture: Any) -> None:
        tf.identity(tf.nn.space_to_depth(picture, 3), "float_segments")

    path = write_tfjs(tmp_path, traced(strange))
    strange_source = ModelSource(path, "tfjs", "sub_2", {"segments": "float_segments"})
    pytest.importorskip("onnx")
    with pytest.raises(ModelFileError, match="ONNX.*SpaceToDepth"):
        convert_model(strange_source, "onnx", tmp_path / "made.onnx")
    assert not (tmp_path / "made.onnx").exists()


def test_a_tfjs_model_has_weights_of_three_widths(source: ModelSource, tmp_path: Path) -> None:
    original, sizes = answers(source, picture(33, 49)), []
    for quantize, share in (("none", 0.0), ("float16", 0.01), ("dynamic", 0.1)):
        made = convert_model(source, "tfjs", tmp_path / quantize, quantize)  # type: ignore[arg-type]
        assert made.outputs == {"segments": "float_segments", "heatmaps": "MobilenetV1/heatmap_2/BiasAdd"}
        found = answers(made, picture(33, 49))
        for head, values in original.items():
            assert np.abs(found[head] - values).max() <= share * np.ptp(values), (quantize, head)
        content = json.loads(made.path.read_text())
        assert content["format"] == "graph-model" and list(content["signature"]["inputs"]) == ["sub_2"]
        weights = content["weightsManifest"][0]["weights"]
        assert all(
            "quantization" not in weight for weight in weights if weight["shape"] in ([3, 3, 8, 1], [3, 3, 8, 2])
        )
        sizes.append(sum(path.stat().st_size for path in made.path.parent.glob("*.bin")))
    assert sizes[0] > sizes[1] > sizes[2]


@pytest.mark.parametrize("form", ["frozen", "saved_model"])
def test_a_tfjs_model_is_made_from_a_graph_of_any_format(tmp_path: Path, form: str) -> None:
    if form == "frozen":
        path = tmp_path / "graph.pb"
        path.write_bytes(traced(network).SerializeToString())
        original = ModelSource(path, form, "sub_2", HEADS)
        wanted = answers(original, picture(33, 49))["segments"]
    else:
        original = ModelSource(write_saved_model(tmp_path / "saved"), form, outputs={"segments": "float_segments"})
        wanted = expected(picture(33, 49))[None]
    made = convert_model(original, "tfjs", tmp_path / "made")
    np.testing.assert_allclose(answers(made, picture(33, 49))["segments"], wanted, atol=1e-4)


def deeplab_like(picture: Any) -> None:
    """Preprocessing that looks at the image's size, dilated convolutions as of 2017, pooling, resizing, joining."""
    scaled = tf.identity(picture * (2 / 255) - 1, "scaled")
    rows = tf.shape(scaled)[1]
    x = tf.nn.conv2d(scaled, random(3, 3, 3, 8), 2, "SAME")
    facts = [np.abs(random(8, seed=seed)) + 0.1 for seed in range(4)]
    x = tf.nn.relu(tf.raw_ops.FusedBatchNorm(
        x=x, scale=facts[0], offset=facts[1], mean=facts[2], variance=facts[3], epsilon=1e-3, is_training=False
    )[0])  # fmt: skip
    # 17 rows and columns are padded by 2 on each side, and by 1 more so that they divide by 2.
    spread = tf.space_to_batch(x, [2, 2], [[2, 3], [2, 3]])
    x = tf.batch_to_space(
        tf.nn.depthwise_conv2d(spread, random(3, 3, 8, 1), [1] * 4, "VALID"), [2, 2], [[0, 1], [0, 1]]
    )
    pooled = tf.nn.avg_pool2d(x, 3, 2, "SAME")
    pooled = tf.compat.v1.image.resize_bilinear(pooled, [17, 17], align_corners=True)
    x = tf.nn.conv2d(tf.concat([x, pooled], 3), random(1, 1, 16, 2), 1, "SAME")
    tf.compat.v1.image.resize_bilinear(x, tf.stack([rows, rows]), half_pixel_centers=True, name="classes")


@pytest.mark.parametrize("kind", ["tflite", "onnx", "tfjs"])
def test_a_part_of_a_graph_is_written_for_one_size(tmp_path: Path, kind: Any) -> None:
    pytest.importorskip({"tflite": "ai_edge_litert", "onnx": "onnxruntime", "tfjs": "tensorflow"}[kind])
    path = tmp_path / "graph.pb"
    path.write_bytes(traced(deeplab_like).SerializeToString())
    whole = ModelSource(path, "frozen", "sub_2", {"classes": "classes"})
    part = replace(whole, input="scaled")
    made = convert_model(part, kind, tmp_path / f"made.{kind}", fixed_size=Size(33, 33), cut_input=True)
    image = np.random.default_rng(0).integers(0, 256, (1, 33, 33, 3)).astype(np.float32)
    wanted = answers(whole, image)["classes"]
    np.testing.assert_allclose(answers(made, image * np.float32(2 / 255) - 1)["classes"], wanted, atol=5e-5)


def test_a_resizing_of_open_size_is_not_written_as_onnx(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    path = tmp_path / "graph.pb"
    path.write_bytes(
        traced(lambda image: tf.image.resize(image, tf.shape(image)[1:3] * 2, name="double")).SerializeToString()
    )
    source = ModelSource(path, "frozen", "sub_2", {"double": "double/ResizeBilinear"})
    with pytest.raises(ModelFileError, match="resizing.*--input-size"):
        convert_model(source, "onnx", tmp_path / "made.onnx")


def transposed(kernel: int, folder: Path) -> ModelSource:
    """A transposed convolution that doubles the size."""

    def double(image: Any) -> None:
        shape = tf.shape(image)
        sides = tf.stack([1, shape[1] * 2, shape[2] * 2, 5])
        tf.nn.conv2d_transpose(image, random(kernel, kernel, 5, 3), sides, 2, name="double")

    path = folder / "graph.pb"
    path.write_bytes(traced(double).SerializeToString())
    return ModelSource(path, "frozen", "sub_2", {"double": "double"})


def test_a_transposed_convolution_is_the_same_in_onnx(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    source = transposed(2, tmp_path)
    made = convert_model(source, "onnx", tmp_path / "made.onnx")
    ours, theirs = (answers(file, picture(7, 9))["double"] for file in (made, source))
    assert theirs.shape == (1, 14, 18, 5)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_a_transposed_convolution_whose_windows_overlap_is_not_written_as_onnx(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    with pytest.raises(ModelFileError, match=r"double.*kernel is 3×3 and its stride 2×2"):
        convert_model(transposed(3, tmp_path), "onnx", tmp_path / "made.onnx")
