"""The networks: their grids, and the published files in and out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bodyseg_ros.errors import ModelFileError

keras = pytest.importorskip("keras", reason="training needs Keras: pip install '.[train]'")
tf = pytest.importorskip("tensorflow", reason="these tests write TensorFlow graphs: pip install '.[train]'")

from bodyseg_ros.lab import export  # noqa: E402
from bodyseg_ros.lab import keras_network as network  # noqa: E402
from bodyseg_ros.lab import tfjs_writer as writers  # noqa: E402
from bodyseg_ros.lab.train_config import preprocessing_of  # noqa: E402


@pytest.mark.parametrize(
    ("backbone", "stride"), [("mobilenet", 8), ("mobilenet", 16), ("resnet50", 16), ("resnet50", 32)]
)
def test_output_grid(backbone: network.Backbone, stride: int) -> None:
    outputs = network.build_network(backbone, 0.25, stride, folded=True)(np.zeros((1, 65, 97, 3), np.float32))
    assert {head: tuple(value.shape) for head, value in outputs.items()} == {
        head: (1, 64 // stride + 1, 96 // stride + 1, channels) for head, channels in network.HEADS["bodypix"].items()
    }


@pytest.mark.parametrize(("case", "stride"), [("low", 16), ("s8_default", 8)])
def test_published_weights_give_the_reference_tensors(case: str, stride: int, shared: Path) -> None:
    golden = np.load(shared / f"golden/bodypix/sparrow_640x480/{case}.npz")
    model = network.load_published(shared / "models/bodypix_050_tfjs/model-stride16.json", stride)
    for head, value in model(golden["raw/net_input"]).items():
        np.testing.assert_allclose(value.numpy(), golden[f"raw/{head}"], atol=1e-3)


@pytest.fixture(scope="module")
def resnet() -> keras.Model:
    return network.build_network("resnet50", 0.25, 16, folded=True)


def test_a_resnet_goes_through_its_published_form(resnet: keras.Model, tmp_path: Path) -> None:
    path = tmp_path / "model-stride16.json"
    writers.write_graph_model(resnet, path, "shard.bin", "float32")
    names = {entry["name"] for entry in json.loads(path.read_text())["weightsManifest"][0]["weights"]}
    # slim's scopes of resnet_v1_50 (models/research/slim, nets/resnet_v1.py), BodyPix's heads beside them.
    assert names >= {
        "resnet_v1_50/conv1/weights",
        "resnet_v1_50/block1/unit_1/bottleneck_v1/shortcut/weights",
        "resnet_v1_50/block4/unit_3/bottleneck_v1/conv3/weights",
        "resnet_v1_50/displacement_fwd_2/weights",
    }
    again = network.load_published(path, 16)
    for ours, theirs in zip(again.variables, resnet.variables, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


def test_weights_of_a_file_that_folds_otherwise_are_found(resnet: keras.Model, tmp_path: Path) -> None:
    path = tmp_path / "model-stride16.json"
    writers.write_graph_model(resnet, path, "shard.bin", "float32")
    path.write_text(path.read_text().replace("/Conv2D_bias", "/Conv2D_bn_offset"))
    again = network.load_published(path, 32)
    np.testing.assert_array_equal(again.get_layer("conv1").get_weights()[1], resnet.get_layer("conv1").get_weights()[1])


@pytest.mark.parametrize("form", ["tfjs", "onnx"])
def test_a_resnet_is_exported(form: export.Form, resnet: keras.Model, tmp_path: Path) -> None:
    if form == "onnx":
        pytest.importorskip("onnxruntime", reason="reading ONNX back needs onnxruntime")
    photo = np.random.default_rng(0).integers(0, 255, (65, 97, 3), dtype=np.uint8)
    whole = export.Exportable(lambda stride: resnet, preprocessing_of("resnet50"))
    (written,) = export.export(whole, tmp_path, form, "none", [photo], [16])
    assert written.differs < 1e-3


def test_a_file_without_a_known_trunk_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text(json.dumps({"weightsManifest": []}))
    with pytest.raises(ModelFileError, match="MobileNetV1.*ResNet50"):
        network.load_published(tmp_path / "model.json")
