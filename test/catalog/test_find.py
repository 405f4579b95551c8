from __future__ import annotations

import hashlib
import importlib
import json
import os
import shutil
from pathlib import Path

import pytest
import yaml

from bodyseg_ros.catalog import SHIPPED_MODEL, Limits, Located, choose_card, find_model, load_card, locate
from bodyseg_ros.catalog.card import shipped_folder
from bodyseg_ros.errors import ModelFileError, ModelNotFoundError, SettingsError
from bodyseg_ros.settings import ModelSettings, build

ONCE = Limits(timeout_s=5, attempts=1, pause_s=0)
NAME = "bodypix-mobilenet-050"


def make_model(folder, name="model-stride16.json", weights=("w.bin",)):
    folder.mkdir(parents=True, exist_ok=True)
    tree = {"format": "graph-model", "modelTopology": {"node": []}}
    tree["weightsManifest"] = [{"paths": list(weights), "weights": []}]
    (folder / name).write_text(json.dumps(tree))
    for weight in weights:
        (folder / weight).write_bytes(b"1234")
    return folder / name


def find(**values):
    settings = build(ModelSettings, values)
    return find_model(choose_card(settings), settings, limits=ONCE)


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder of $BODYSEG_MODEL_PATH, behind one that is not there."""
    folder = tmp_path / "own"
    folder.mkdir()
    monkeypatch.setenv("BODYSEG_MODEL_PATH", os.pathsep.join([str(tmp_path / "absent"), str(folder)]))
    return folder


@pytest.fixture
def offline(server, own):
    """A card whose address is a local server."""
    card = load_card(NAME).model_dump()
    card |= {
        "name": "local",
        "source": f"{server.address}/savedmodel/local/{{quant}}/",
        "sha256": {},
        "folder_names": [],
    }
    (own / "local.yaml").write_text(yaml.safe_dump(json.loads(json.dumps(card))))
    return server


def test_an_explicit_folder_comes_first(tmp_path, own):
    make_model(own / NAME)
    index = make_model(tmp_path / "explicit")
    card, source = find(model=NAME, model_path=str(tmp_path / "explicit"))
    assert source.path == index
    assert source.format == "tfjs"
    assert card.name == NAME
    assert (source.input, source.outputs) == ("", {})  # its tensors may be named otherwise: all are taken


def test_an_explicit_file_is_taken_with_the_cards_facts(tmp_path):
    index = make_model(tmp_path, "any.json")
    assert find(model=NAME, model_path=str(index))[1].path == index


def test_an_explicit_path_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(ModelNotFoundError, match=r"'.*/nowhere'.*model_path"):
        find(model=NAME, model_path=str(tmp_path / "nowhere"))


def test_path_and_address_together_are_refused(tmp_path):
    with pytest.raises(SettingsError, match="model_path and model_url"):
        find(model_path=str(tmp_path), model_url="https://x/model.json")


@pytest.mark.parametrize(
    "below",
    [NAME, f"{NAME}/float", "bodypix_050_tfjs", "bodypix/mobilenet/float/050"],
)
def test_a_folder_of_ones_own_may_be_named_in_four_ways(own, below):
    index = make_model(own / below)
    assert find(model=NAME)[1].path == index
    assert locate(load_card(NAME), 16, 4).place == "found"
    assert locate(load_card(NAME), 8, 4) is None


def test_the_folder_of_the_precision_comes_first(own):
    make_model(own / NAME)
    index = make_model(own / NAME / "quant2")
    assert find(model=NAME, quant_bytes=2)[1].path == index


def test_a_name_without_a_stride_counts_only_where_there_is_one_stride(own):
    make_model(own / NAME, "model.json")
    assert locate(load_card(NAME), 16, 4) is None
    (own / "bodypix_v1_tfjs" / "model_50").mkdir(parents=True)
    old = own / "bodypix_v1_tfjs" / "model_50" / "tensorflowjs_model.pb"
    old.write_bytes(b"")
    assert locate(load_card("bodypix-v1-mobilenet-050"), 16, 4).index == old


def test_files_beside_the_card_are_found(tmp_path, monkeypatch):
    card = load_card(NAME)
    for module in ("card", "find"):
        monkeypatch.setattr(f"bodyseg_ros.catalog.{module}.shipped_folder", lambda: tmp_path)
    index = make_model(tmp_path / NAME / "float")
    assert locate(card, 16, 4) == Located(index, "shipped")


def test_a_model_is_downloaded_once_and_then_found_without_the_network(offline, own_cache):
    offline.publish("savedmodel/local/quant2", {"w.bin": b"1234"}, "model-stride8.json")
    _, source = find(model="local", output_stride=8, quant_bytes=2)
    assert source.path == own_cache / "local" / "quant2" / "model-stride8.json"
    offline.asked.clear()
    assert find(model="local", output_stride=8, quant_bytes=2)[1] == source
    assert offline.asked == []


def test_a_download_that_was_cut_is_not_taken_for_a_model(offline):
    offline.publish("savedmodel/local/float", {"w.bin": b"1234"}, "model-stride16.json")
    offline.status["/savedmodel/local/float/w.bin"] = [404]
    with pytest.raises(ModelNotFoundError, match="'w.bin' is missing"):
        find(model="local")
    assert locate(load_card("local"), 16, 4) is None
    assert find(model="local")[1].path.name == "model-stride16.json"


def test_a_cached_file_that_changed_is_refused(offline, own_cache):
    offline.publish("savedmodel/local/float", {"w.bin": b"1234"}, "model-stride16.json")
    find(model="local")
    (own_cache / "local" / "float" / "w.bin").write_bytes(b"4321")
    with pytest.raises(ModelFileError, match=r"float/w.bin' has changed.*[Dd]elete"):
        find(model="local")


def test_a_published_checksum_holds_for_files_put_into_the_cache_by_hand(own_cache):
    make_model(own_cache / NAME / "float", weights=["group1-shard1of1.bin"])
    with pytest.raises(ModelFileError, match=r"group1-shard1of1.bin' has changed"):
        find(model=NAME)


def test_an_address_of_ones_own_has_its_own_place_in_the_cache(server, own_cache):
    address = server.publish("mine", {"w.bin": b"1234"})
    _, source = find(model=NAME, model_url=address)
    assert source.path.parent.parent == own_cache
    assert source.path.parent.name.startswith("url-")
    assert source.outputs == {}  # its tensors may be named otherwise: all are taken
    other = server.publish("other", {"w.bin": b"9999"})
    assert find(model=NAME, model_url=other)[1].path.parent != source.path.parent


def test_a_variant_the_card_does_not_offer_is_refused_before_anything_is_looked_for(own):
    make_model(own / NAME, "model-stride32.json")
    with pytest.raises(SettingsError, match="was published with 8 or 16"):
        find(model=NAME, output_stride=32)


def test_no_address_and_no_file_says_where_to_put_it(own, own_cache):
    card = json.loads(load_card(NAME).model_dump_json()) | {"name": "mine", "source": "", "quant_bytes": [4]}
    (own / "mine.yaml").write_text(yaml.safe_dump(card | {"folder_names": []}))
    with pytest.raises(ModelNotFoundError, match="'mine'.*address.*'model-stride16.json'") as err:
        find(model="mine")
    assert str(own_cache / "mine" / "float") in str(err.value)
    index = make_model(own_cache / "mine" / "float")
    assert find(model="mine")[1].path == index


def test_the_real_files_are_found_by_their_folder_names(shared, monkeypatch):
    monkeypatch.setenv("BODYSEG_MODEL_PATH", str(shared / "models"))
    for name in (NAME, "bodypix-mobilenet-075", "posenet-mobilenet-075", "bodypix-v1-mobilenet-050"):
        card, source = find(model=name)
        assert source.path.is_relative_to(shared / "models")
        assert dict(source.outputs) == card.outputs


def test_auto_is_the_shipped_network_whatever_lies_in_a_folder(own):
    make_model(own / NAME)
    card, source = find(model="auto")
    assert card.name == SHIPPED_MODEL
    assert source.path.is_file()


def test_auto_with_a_network_is_its_first_card_and_the_shipped_one_where_it_is_of_that_network(monkeypatch, own):
    card, source = find(network="background")
    assert (card.name, source.format) == ("background", "none")
    assert choose_card(ModelSettings(network="posenet")).name == "posenet-mobilenet-050"
    assert choose_card(ModelSettings(network="bodypix")).name == SHIPPED_MODEL


def test_a_found_file_whose_checksum_is_known_must_have_it(own):
    """Weights of zeros would show nobody, and a privacy camera everybody."""
    shutil.copytree(shipped_folder() / SHIPPED_MODEL, own / SHIPPED_MODEL)
    assert find()[1].path.is_relative_to(own)
    weights = own / SHIPPED_MODEL / "group1-shard1of1.bin"
    weights.write_bytes(bytes(weights.stat().st_size))
    with pytest.raises(ModelFileError, match=r"own/bodyseg-mobilenet-.*group1-shard1of1.bin'.*changed.*sha256"):
        find()


def test_a_cache_of_somebody_else_is_passed_over(own_cache, monkeypatch):
    """As where the first run was by sudo; root, who runs these tests in a container, sees through permissions."""
    is_file = Path.is_file

    def denied(path):
        if path.is_relative_to(own_cache):
            raise PermissionError(13, "Permission denied")
        return is_file(path)

    monkeypatch.setattr(Path, "is_file", denied)
    monkeypatch.setattr(os, "access", lambda path, mode: not Path(path).is_relative_to(own_cache))
    assert find()[0].name == SHIPPED_MODEL
    assert locate(load_card(NAME), 16, 4) is None


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"architecture": "MobileNetV1"}, "bodypix-mobilenet-075"),
        ({"multiplier": 0.5}, "bodypix-mobilenet-050"),
        ({"architecture": "MobileNetV1", "multiplier": 1.0}, "bodypix-mobilenet-100"),
        ({"architecture": "ResNet50", "multiplier": 1.0}, "bodypix-resnet50"),
        ({"network": "posenet", "architecture": "MobileNetV1"}, "posenet-mobilenet-100"),
        ({"network": "posenet", "multiplier": 0.75}, "posenet-mobilenet-075"),
        ({"network": "posenet", "architecture": "ResNet50"}, "posenet-resnet50"),
    ],
)
def test_architecture_and_multiplier_name_the_published_network(options, name):
    assert choose_card(build(ModelSettings, options)).name == name


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"multiplier": 0.25}, "multiplier is 0.25, but bodypix was published with 0.5, 0.75, 1 only"),
        ({"architecture": "ResNet50", "multiplier": 0.5}, "multiplier is 0.5, but ResNet50 has 1 only"),
        ({"network": "deeplab", "multiplier": 0.5}, "network is 'deeplab', but architecture and multiplier are for"),
        ({"model": NAME, "multiplier": 0.5}, "multiplier is 0.5, but.* model names the card bodypix-mobilenet-050"),
        ({"architecture": "MobileNetV2"}, "architecture is 'MobileNetV2', but it must be one of auto, MobileNetV1"),
    ],
)
def test_architectures_that_were_not_published(options, said):
    with pytest.raises(SettingsError, match=said):
        choose_card(build(ModelSettings, options))


@pytest.mark.parametrize(("dtype", "stored"), [("uint8", 1), ("uint16", 2), ("float16", 2), (None, 4)])
def test_a_file_is_taken_for_the_bytes_that_it_stores(own, caplog, dtype, stored):
    weight = {"name": "w", "shape": [4], "dtype": "float32"} | ({"quantization": {"dtype": dtype}} if dtype else {})
    index = make_model(own / NAME)
    index.write_text(json.dumps({"weightsManifest": [{"paths": ["w.bin"], "weights": [weight]}]}))
    assert locate(load_card(NAME), 16, stored) == Located(index, "found")
    for other in {1, 2} - {stored}:
        caplog.clear()
        assert locate(load_card(NAME), 16, other) is None
        assert f"quant_bytes is {other}, but it stores {stored} bytes per weight" in caplog.text
    caplog.clear()
    assert locate(load_card(NAME), 16, 4) == Located(index, "found")  # the finest there is
    assert find_card_file_warns(caplog) == (stored != 4)


def find_card_file_warns(caplog) -> bool:
    find(model=NAME)
    return "bytes per weight, but quant_bytes is 4; there is no other, so it is taken" in caplog.text


@pytest.mark.parametrize("quant_bytes", [1, 2])
def test_a_file_of_another_precision_than_asked_for_is_not_taken(offline, own, quant_bytes):
    index = make_model(own / "local")
    assert find(model="local")[1].path == index
    with pytest.raises(ModelNotFoundError, match=f"local/quant{quant_bytes}/model-stride16.json"):
        find(model="local", quant_bytes=quant_bytes)
    with pytest.raises(SettingsError, match=f"quant_bytes is {quant_bytes}.*model_path"):
        find(model="local", quant_bytes=quant_bytes, model_path=str(index))


def test_the_8_bit_file_is_taken_where_the_processor_is_faster_with_it(monkeypatch, caplog):
    caplog.set_level("INFO")
    find_module = importlib.import_module("bodyseg_ros.catalog.find")
    taken = {}
    for faster in (False, True):
        monkeypatch.setattr(find_module, "prefers_int8", lambda faster=faster: faster)
        settings = ModelSettings()
        _, source = find_model(choose_card(settings), settings)
        taken[faster] = source.others[0].path.name
    assert taken == {False: "model-stride16.tflite", True: "model-stride16-int8.tflite"}
    assert "is not taken" in caplog.text
    assert "is taken: it is expected to be faster than float" in caplog.text
    # There is none of stride 8.
    settings = ModelSettings(output_stride=8)
    assert find_model(choose_card(settings), settings)[1].others[0].path.name == "model-stride8.tflite"


def test_only_a_file_that_nobody_published_is_to_be_tried_first(tmp_path, own):
    """Its digest, by which a trial is remembered, is there for files whose checksums no card has."""
    assert find()[1].unknown_digest == ""
    shutil.copytree(shipped_folder() / SHIPPED_MODEL, own / SHIPPED_MODEL)
    assert find()[1].path.is_relative_to(own)
    assert find()[1].unknown_digest == ""  # a copy of what was published
    index = make_model(tmp_path / "mine")
    digests = "".join(hashlib.sha256(path.read_bytes()).hexdigest() for path in (index, index.with_name("w.bin")))
    assert find(model=NAME, model_path=str(index))[1].unknown_digest == hashlib.sha256(digests.encode()).hexdigest()
    assert find(model=NAME, model_path=str(index), try_model_files=False)[1].unknown_digest == ""
