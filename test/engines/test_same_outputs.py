"""The same network gives the same outputs on every engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bodyseg_ros.formats import ModelSource, read_tflite
from bodyseg_ros.plugins import load_plugin
from engines import small

pytest.importorskip("onnx")
#: Largest difference, of an output's range.
TOLERANCE = 2e-3
SIZES = [(33, 49), (65, 33), (33, 49), (10, 7)]
ON_CPU = {"tensorflow": {"device": "cpu"}}


def outputs(engine: str, source: ModelSource, pictures: list[np.ndarray]) -> list[Mapping[str, np.ndarray]]:
    plugin = load_plugin("engines", engine)
    opened = plugin(source, plugin.Settings(**ON_CPU.get(engine, {})), 0)
    try:
        return [opened.run(picture) for picture in pictures]
    finally:
        opened.close()


def assert_same(found: Mapping[str, np.ndarray], wanted: Mapping[str, np.ndarray]) -> None:
    assert set(found) == set(wanted)
    for name, array in wanted.items():
        assert found[name].shape == array.shape
        assert found[name].dtype == np.float32
        assert np.abs(found[name] - array).max() <= TOLERANCE * np.ptp(array)


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory) -> list[Mapping[str, np.ndarray]]:
    return outputs("tensorflow", small.frozen(tmp_path_factory.mktemp("frozen")), pictures())


def pictures() -> list[np.ndarray]:
    return [small.picture(*size, seed) for seed, size in enumerate(SIZES)]


@pytest.mark.parametrize("kind", ["float32", "float16"])
@pytest.mark.parametrize("engine", ["litert", "openvino"])
def test_tflite_of_any_size(wanted: list[Mapping[str, np.ndarray]], tmp_path: Path, engine: str, kind: str) -> None:
    for found, truth in zip(outputs(engine, small.tflite(tmp_path, kind), pictures()), wanted, strict=True):
        assert_same(found, truth)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_onnx_of_any_size(wanted: list[Mapping[str, np.ndarray]], tmp_path: Path, engine: str) -> None:
    for found, truth in zip(outputs(engine, small.onnx(tmp_path), pictures()), wanted, strict=True):
        assert_same(found, truth)


def test_openvinos_own_format(wanted: list[Mapping[str, np.ndarray]], tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino")
    openvino.save_model(openvino.convert_model(small.onnx(tmp_path).path), tmp_path / "ir.xml", compress_to_fp16=False)
    source = ModelSource(tmp_path / "ir.xml", "openvino", outputs=small.OUTPUTS)
    for found, truth in zip(outputs("openvino", source, pictures()), wanted, strict=True):
        assert_same(found, truth)


def test_a_file_made_for_one_size_runs_at_others(wanted: list[Mapping[str, np.ndarray]], tmp_path: Path) -> None:
    for engine in ("litert", "openvino"):
        found = outputs(engine, small.tflite(tmp_path, size=33), pictures())
        for one, truth in zip(found, wanted, strict=True):
            assert_same(one, truth)


def test_8_bit_within_a_step(wanted: list[Mapping[str, np.ndarray]], tmp_path: Path) -> None:
    source = small.tflite(tmp_path, "uint8")
    steps = {facts.name: facts.scale for facts in read_tflite(source.path).outputs}
    litert, openvino = (outputs(engine, source, pictures()) for engine in ("litert", "openvino"))
    for one, other, truth in zip(litert, openvino, wanted, strict=True):
        for head, name in small.OUTPUTS.items():
            assert one[head].dtype == other[head].dtype == np.float32
            assert np.abs(one[head] - other[head]).max() <= 1.01 * steps[name]
            assert np.abs(one[head] - truth[head]).mean() <= 0.02 * np.ptp(truth[head])
            levels = one[head] / steps[name]
            np.testing.assert_allclose(levels, np.rint(levels), atol=1e-3)


def test_8_bit_as_the_file_stores_it(tmp_path: Path) -> None:
    source = small.tflite(tmp_path, "uint8")
    facts = read_tflite(source.path).inputs[0]
    levels = np.random.default_rng(0).integers(0, 256, (1, 33, 33, 3), np.uint8)
    values = ((levels.astype(np.float32) - facts.zero_point) * facts.scale).astype(np.float32)
    raw, real = outputs("litert", source, [levels, values])
    np.testing.assert_array_equal(raw["segments"], real["segments"])


HEADS = ("segments", "heatmaps", "part_heatmaps", "short_offsets", "long_offsets")


def test_published_bodypix_from_onnx(shared: Path) -> None:
    models = shared / "models"
    picture = small.picture(129, 161)
    tfjs = ModelSource(
        models / "bodypix_050_tfjs/model-stride16.json", "tfjs", outputs={h: f"float_{h}" for h in HEADS}
    )
    onnx = ModelSource(models / "onnx/bodypix_050_stride16.onnx", "onnx", outputs={h: h for h in HEADS})
    (truth,) = outputs("tensorflow", tfjs, [picture])
    for engine in ("onnxruntime", "openvino"):
        assert_same(outputs(engine, onnx, [picture])[0], truth)


@pytest.mark.parametrize("name", ["mnv3_seg_float", "prisma-net", "slim_reshape_v2"])
def test_published_portrait_networks(shared: Path, name: str) -> None:
    source = ModelSource(shared / f"models/portrait/{name}.tflite", "tflite")
    shape = read_tflite(source.path).inputs[0].shape
    picture = small.picture(*shape[1:3])
    assert_same(outputs("openvino", source, [picture])[0], outputs("litert", source, [picture])[0])


def test_published_8_bit_bodypix(shared: Path) -> None:
    path = shared / "models/bodypix_075_coral_int8/bodypix_mobilenet_v1_075_720_1280_16_quant.tflite"
    facts = read_tflite(path)
    smooth = np.kron(small.picture(6, 8), np.ones((1, 16, 16, 1), np.float32))
    found = [outputs(engine, ModelSource(path, "tflite"), [smooth])[0] for engine in ("litert", "openvino")]
    for head in facts.outputs:  # roundings of one step add up over 27 layers
        steps = np.abs(found[0][head.name] - found[1][head.name]) / head.scale
        assert steps.mean() <= 1
        assert steps.max() <= 6


def test_names_a_converter_shortened(tmp_path: Path) -> None:
    source = replace(small.tflite(tmp_path), outputs={"segments": "MobilenetV1/float_segments/BiasAdd"})
    assert set(outputs("litert", source, pictures()[:1])[0]) == {"segments"}
