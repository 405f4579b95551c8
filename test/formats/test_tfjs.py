"""Weights of tfjs files: what they mean, and what is refused."""

from __future__ import annotations

import gzip
import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bodyseg_ros.errors import BodysegError, ModelFileError
from bodyseg_ros.formats import ModelSource, open_model, read_weights

from .tiny import small_network, tf, traced, write_tfjs

GRAPH = traced(small_network)


def write(folder: Path, weights: list[dict[str, Any]], data: bytes, paths: list[str] | None = None) -> Path:
    (folder / "w.bin").write_bytes(data)
    manifest = [{"paths": paths or ["w.bin"], "weights": weights}]
    (folder / "weights_manifest.json").write_text(json.dumps(manifest))
    return folder / "weights_manifest.json"


def test_weights_of_every_dtype(tmp_path: Path) -> None:
    weights = [
        {"name": "f", "shape": [2], "dtype": "float32"},
        {"name": "i", "shape": [], "dtype": "int32"},
        {"name": "b", "shape": [1, 3], "dtype": "bool"},
        {"name": "s", "shape": [2], "dtype": "string"},
        {"name": "none", "shape": [0, 4], "dtype": "float32"},
    ]
    data = struct.pack("<2fi3B", 0.5, -2.0, -7, 1, 0, 1) + struct.pack("<I2sI", 2, b"hi", 0)
    found = read_weights(write(tmp_path, weights, data))
    np.testing.assert_array_equal(found["f"], np.float32([0.5, -2.0]))
    assert (found["i"].dtype, found["i"].shape, int(found["i"])) == (np.int32, (), -7)
    np.testing.assert_array_equal(found["b"], [[True, False, True]])
    assert found["s"].tolist() == [b"hi", b""]
    assert found["none"].shape == (0, 4)


def test_quantised_weights(tmp_path: Path) -> None:
    weights = [
        {"name": "a", "shape": [3], "dtype": "float32", "quantization": {"dtype": "uint8", "scale": 0.1, "min": -1.0}},
        {"name": "b", "shape": [2], "dtype": "float32", "quantization": {"dtype": "uint16", "scale": 0.5, "min": 3}},
        {"name": "c", "shape": [2], "dtype": "float32", "quantization": {"dtype": "float16"}},
        {"name": "d", "shape": [2], "dtype": "int32", "quantization": {"dtype": "uint8", "scale": 0.5, "min": -1}},
    ]
    data = struct.pack("<3B2H2e2B", 0, 10, 255, 1, 65535, 0.25, -2.0, 1, 3)
    found = read_weights(write(tmp_path, weights, data))
    np.testing.assert_array_equal(found["a"], np.float32([-1.0, 0.0, 24.5]))
    np.testing.assert_array_equal(found["b"], np.float32([3.5, 32770.5]))
    np.testing.assert_array_equal(found["c"], np.float32([0.25, -2.0]))
    # 0.5·1 − 1 = −0.5 rounds up to 0, 0.5·3 − 1 = 0.5 to 1: as JavaScript rounds.
    np.testing.assert_array_equal(found["d"], np.int32([0, 1]))


F4 = {"name": "layer/w", "shape": [2], "dtype": "float32"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": [-1]}, r"weights\.0\.shape\.0 of the weight 'layer/w': .*greater than or equal to 0"),
        ({"shape": [1.5]}, r"of the weight 'layer/w': .*valid integer"),
        ({"shape": [2**31]}, r"of the weight 'layer/w'.*less than 2147483648"),
        ({"shape": [2**20, 2**20]}, r"declares 4,398,046,511,104 bytes of weights; at most 1,073,741,824"),
        ({"shape": [2**20, 2**20], "dtype": "string"}, r"declares 4,398,046,511,104 bytes"),
        ({"shape": [0] * 9}, r"of the weight 'layer/w'.*at most 8 items"),
        (
            {"dtype": "complex64"},
            r"dtype of the weight 'layer/w': .*'float32', 'int32', 'bool' or 'string'.*'complex64'",
        ),
        ({"quantization": {"dtype": "int4"}}, r"quantization\.dtype of the weight 'layer/w'"),
        ({"quantization": {"dtype": "uint8", "scale": 1e999}}, r"quantization\.scale of the weight 'layer/w'.*finite"),
        ({"shape": [3]}, r"w\.bin of '.*' hold 8 bytes.*the manifest declares 12 for 1 weights"),
        ({"shape": [1]}, r"w\.bin of '.*' hold 8 bytes.*the manifest declares 4"),
        ({"dtype": "string"}, r"The weight 'layer/w' of '.*' is truncated at string 0"),
        ({"shape": [8], "dtype": "int32", "quantization": {"dtype": "uint8", "scale": 1e9}}, r"'layer/w'.*not int32"),
    ],
)
def test_a_damaged_entry_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = write(tmp_path, [F4 | change], b"\xff" * 8)
    with pytest.raises(ModelFileError, match=message):
        read_weights(path)


@pytest.mark.parametrize("manifest", [None, 3, {}, [1], [{"paths": "w.bin", "weights": []}], [{"weights": [F4]}]])
def test_a_damaged_manifest_is_named(tmp_path: Path, manifest: Any) -> None:
    path = tmp_path / "weights_manifest.json"
    path.write_text(json.dumps(manifest))
    with pytest.raises(ModelFileError, match="weights_manifest.json' is damaged at"):
        read_weights(path)


def test_a_name_twice(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="has the weight 'layer/w' twice"):
        read_weights(write(tmp_path, [F4, F4], b"\0" * 16))


@pytest.mark.parametrize("text", ["", "{", "\ud800", "[" * 100_000, '{"a": 1e5000}' * 2])
def test_what_is_not_json(tmp_path: Path, text: str) -> None:
    path = tmp_path / "model.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ModelFileError, match="model.json' is not valid JSON"):
        read_weights(path)


def test_missing_and_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="model.json'.*No such file"):
        read_weights(tmp_path / "model.json")
    with pytest.raises(ModelFileError, match="'gone.bin'.*missing"):
        read_weights(write(tmp_path, [F4], b"", ["gone.bin"]))
    with pytest.raises(ModelFileError, match=r"'a\\x00b'.*file name"):
        read_weights(write(tmp_path, [F4], b"", ["a\0b"]))


def test_shards_stay_in_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    secret = tmp_path / "secret.bin"
    secret.write_bytes(b"\0" * 8)
    for name in ("../secret.bin", str(secret), "x/../../secret.bin"):
        with pytest.raises(ModelFileError, match=r"outside.*folder"):
            read_weights(write(folder, [F4], b"", [name]))
    with pytest.raises(ModelFileError, match="must be a regular file"):  # a folder is no shard
        read_weights(write(folder, [F4], b"", ["."]))


def test_shards_may_be_links_to_regular_files(tmp_path: Path) -> None:
    """As huggingface_hub lays a model out: names are links into ../../blobs."""
    folder, blobs = tmp_path / "snapshots/abc", tmp_path / "blobs"
    folder.mkdir(parents=True)
    blobs.mkdir()
    manifest = write(folder, [F4], b"\0" * 8)
    for number, file in enumerate(sorted(folder.iterdir())):
        file.rename(blobs / str(number))
        file.symlink_to(f"../../blobs/{number}")
    assert read_weights(manifest)["layer/w"].shape == (2,)


@pytest.mark.parametrize(("target", "kind"), [("/dev/zero", "device"), ("pipe", "pipe"), ("shard", "ymbolic|loop")])
def test_a_shard_that_is_no_regular_file_is_not_opened(tmp_path: Path, target: str, kind: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "shard").symlink_to(target)
    with pytest.raises(ModelFileError, match=kind):
        read_weights(write(tmp_path, [F4], b"", ["shard"]))


def test_a_gzipped_shard_is_named_with_what_unpacks_it(tmp_path: Path) -> None:
    manifest = write(tmp_path, [F4], gzip.compress(b"\0" * 8))
    with pytest.raises(ModelFileError, match=r"gzip.*gunzip"):
        read_weights(manifest)


def test_a_model_reached_by_a_link_is_read(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    write(tmp_path / "real", [F4], b"\0" * 8)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert read_weights(tmp_path / "link" / "weights_manifest.json")["layer/w"].shape == (2,)


def changed(folder: Path, change: Callable[[dict[str, Any]], None]) -> ModelSource:
    path = write_tfjs(folder, GRAPH)
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return ModelSource(path, "tfjs")


def constant(content: dict[str, Any]) -> dict[str, Any]:
    return next(node for node in content["modelTopology"]["node"] if node["op"] == "Const")


def resize(content: dict[str, Any]) -> None:
    constant(content)["attr"]["value"]["tensor"]["tensorShape"]["dim"][0]["size"] = "1"


def retype(content: dict[str, Any]) -> None:
    constant(content)["attr"]["dtype"]["type"] = "DT_INT32"


def rename(content: dict[str, Any]) -> None:
    constant(content)["name"] = "other"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            resize,
            r"tensor 'Conv2D/filter' of '.*' is float32 \(3, 3, 3, 4\) in the weights.*declares .* \(1, 3, 3, 4\)",
        ),
        (retype, r"tensor 'Conv2D/filter' of '.*' is float32 .* graph declares type: DT_INT32"),
        (rename, r"The tensor 'other' of '.*' is not among its weights"),
        (lambda content: content.pop("modelTopology"), r"not a tfjs GraphModel: it has no modelTopology.*layers-model"),
        (lambda content: content.update(modelTopology={"node": [{"op": 3}]}), r"modelTopology of '.*' is not a graph"),
        (lambda content: content.update(modelTopology={"node": 7}), r"modelTopology of '.*' is not a graph"),
        (lambda content: content.update(signature={"outputs": {"a": {}}}), r"signature of '.*' is damaged: 'name'"),
        (lambda content: content.update(signature={"outputs": {"a": {"name": 1}}}), r"name is not a string"),
        (lambda content: content.update(signature=[1]), r"signature of '.*' is damaged"),
        (
            lambda content: content.update(signature={"outputs": {"a": {"name": "b"}}}),
            r"no tensor 'b'.*outputs are a",
        ),
    ],
)
def test_a_topology_that_does_not_fit(tmp_path: Path, change: Callable[[Any], None], message: str) -> None:
    with pytest.raises(ModelFileError, match=message):
        open_model(changed(tmp_path, change))


@given(data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_cut_and_flipped_files_never_end_in_another_error(tmp_path: Path, data: st.DataObject) -> None:
    path = write_tfjs(tmp_path, GRAPH)
    victim = data.draw(st.sampled_from([path, tmp_path / "group1-shard1of1.bin"]))
    content = bytearray(victim.read_bytes())
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        for _ in range(data.draw(st.integers(1, 3))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    victim.write_bytes(bytes(content))
    problem = ""
    try:
        open_model(ModelSource(path, "tfjs"))
    except BodysegError as err:
        problem = str(err)
    assert not problem or str(tmp_path) in problem


def test_weights_stored_in_a_narrower_type_than_the_graphs(tmp_path: Path) -> None:
    def flipped(picture: Any) -> None:
        tf.identity(tf.transpose(picture, tf.constant([0, 2, 1, 3], tf.int64)), "float_segments")

    path = write_tfjs(tmp_path, traced(flipped))
    content = json.loads(path.read_text())
    (entry,) = content["weightsManifest"][0]["weights"]
    assert entry["dtype"] == "int64"  # which tfjs does not have: its converter writes int32
    entry["dtype"] = "int32"
    path.write_text(json.dumps(content))
    (tmp_path / "group1-shard1of1.bin").write_bytes(np.array([0, 2, 1, 3], np.int32).tobytes())
    model = open_model(ModelSource(path, "tfjs"))
    picture = np.arange(24, dtype=np.float32).reshape(1, 2, 4, 3)
    (answer,) = model.function(tf.constant(picture)).values()
    np.testing.assert_array_equal(answer.numpy(), picture.transpose(0, 2, 1, 3))
