from __future__ import annotations

import re

import pydantic
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bodyseg_ros.catalog import Card, card_names, load_card
from bodyseg_ros.catalog.card import shipped_folder
from bodyseg_ros.errors import ModelFileError, ModelNotFoundError, SettingsError

GOOD = {
    "name": "mine",
    "title": "Mine",
    "network": "bodypix",
    "format": "tfjs",
    "source": "https://example.org/mine/{quant}/",
    "file": "model-stride{stride}.json",
    "output_strides": [8, 16],
    "quant_bytes": [4, 2],
    "preprocessing": {"scale": [1.0, 1.0, 1.0], "offset": [0.0, 0.0, 0.0]},
    "input": "sub_2",
    "outputs": {"segments": "float_segments"},
    "licence": "MIT",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("BODYSEG_MODEL_PATH", str(tmp_path))
    return tmp_path


def write(folder, **changes):
    card = {key: value for key, value in (GOOD | changes).items() if value is not None}
    (folder / "mine.yaml").write_text(yaml.safe_dump(card))


# The published variants, as tfjs-models body-pix/src/saved_models.ts and posenet/src/checkpoints.ts build them.
PUBLISHED = {
    "bodypix-mobilenet-050": "bodypix/mobilenet/float/050/model-stride16.json",
    "bodypix-mobilenet-075": "bodypix/mobilenet/float/075/model-stride16.json",
    "bodypix-mobilenet-100": "bodypix/mobilenet/float/100/model-stride16.json",
    "bodypix-resnet50": "bodypix/resnet50/float/model-stride16.json",
    "posenet-mobilenet-050": "posenet/mobilenet/float/050/model-stride16.json",
    "posenet-mobilenet-075": "posenet/mobilenet/float/075/model-stride16.json",
    "posenet-mobilenet-100": "posenet/mobilenet/float/100/model-stride16.json",
    "posenet-resnet50": "posenet/resnet50/float/model-stride16.json",
    "bodypix-v1-mobilenet-025": "posenet_mobilenet_025_partmap/model.json",
    "bodypix-v1-mobilenet-050": "posenet_mobilenet_050_partmap/model.json",
    "bodypix-v1-mobilenet-075": "posenet_mobilenet_075_partmap/model.json",
    "bodypix-v1-mobilenet-100": "posenet_mobilenet_100_partmap/model.json",
}

OTHERS = [
    "background",
    "bodypix-mobilenet-050-frozen",
    "bodypix-mobilenet-050-onnx",
    "bodypix-mobilenet-075-coral",
    "bodyseg-mobilenet-075",
    "deeplab-mobilenet-v2-257",
    "deeplab-mobilenet-v2-dm05",
    "deeplab-mobilenet-v2-dm05-tfjs",
    "harmony-64",
    "heatmap-pose-256x192",
    "mediapipe-selfie",
    "mediapipe-selfie-landscape",
    "movenet-lightning",
    "movenet-multipose",
    "movenet-thunder",
    "portrait-mobile-unet-128",
    "portrait-mobilenet-v3-256",
    "portrait-mobilenet-v3-256-int8",
    "portrait-mobilenet-v3-256-int8-aware",
    "portrait-modnet-512",
    "portrait-net-video-224",
    "portrait-prisma-256",
    "portrait-prisma-256-int8",
    "portrait-prisma-256-onnx",
    "portrait-prisma-256-quant",
    "portrait-sinet-320",
    "portrait-slim-512",
    "posenet-mobilenet-075-coral",
    "rtmpose-m-256x192",
]


def test_every_published_network_has_a_card():
    assert set(PUBLISHED) <= set(card_names())
    assert {path.name for path in shipped_folder().iterdir() if path.is_file()} == {
        f"{name}.yaml" for name in [*PUBLISHED, *OTHERS]
    }


@pytest.mark.parametrize(("name", "tail"), PUBLISHED.items())
def test_shipped_cards_are_valid_and_point_to_the_public_files(name, tail):
    card = load_card(name)
    address = card.folder_address(4) + card.file_name(16)
    assert address == f"https://storage.googleapis.com/tfjs-models/savedmodel/{tail}"
    assert card.licence == "Apache-2.0"
    assert card.network in name
    needed = {"heatmaps", "short_offsets"} | ({"segments", "part_heatmaps"} if card.network == "bodypix" else set())
    assert needed <= set(card.outputs)
    if "resnet" in name:
        assert card.preprocessing.scale == (1, 1, 1)
        assert card.preprocessing.offset == (-123.15, -115.9, -103.06)
        assert card.output_strides == (16, 32)
    else:
        assert card.preprocessing.scale == pytest.approx((1 / 127.5,) * 3, rel=1e-15)
        assert card.preprocessing.offset == (-1, -1, -1)


def test_precision_and_stride_change_the_address():
    card = load_card("bodypix-resnet50")
    assert card.folder_address(2).endswith("/bodypix/resnet50/quant2/")
    assert card.folder_address(1).endswith("/bodypix/resnet50/quant1/")
    assert card.file_name(32) == "model-stride32.json"
    assert load_card("posenet-mobilenet-100").output_strides == (8, 16, 32)


def test_tensor_names_are_those_of_the_real_files(shared):
    tree = yaml.safe_load((shared / "models/posenet_075_tfjs/model-stride16.json").read_bytes())
    nodes = {node["name"] for node in tree["modelTopology"]["node"]}
    card = load_card("posenet-mobilenet-075")
    assert {card.input, *card.outputs.values()} <= nodes


def test_a_variant_that_was_not_published_is_refused():
    card = load_card("bodypix-mobilenet-050")
    card.check_variant(8, 1)
    with pytest.raises(SettingsError, match="output_stride is 32.*bodypix-mobilenet-050.*8 or 16"):
        card.check_variant(32, 4)
    with pytest.raises(SettingsError, match="quant_bytes is 1.*bodypix-v1-mobilenet-050.*4 only"):
        load_card("bodypix-v1-mobilenet-050").check_variant(16, 1)


def test_cards_do_not_change():
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        load_card("posenet-resnet50").name = "other"


def test_an_unknown_name_lists_the_cards():
    with pytest.raises(ModelNotFoundError, match="no model card 'bodypix-mobilnet-050'.*'bodypix-mobilen"):
        load_card("bodypix-mobilnet-050")
    with pytest.raises(ModelNotFoundError, match=re.escape("no model card '../bodypix-resnet50'")):
        load_card("../bodypix-resnet50")


def test_a_card_of_ones_own(folder):
    write(folder)
    assert load_card("mine").title == "Mine"
    assert "mine" in card_names()


def test_a_card_of_ones_own_stands_before_the_shipped_one(folder):
    (folder / "bodypix-resnet50.yaml").write_text(yaml.safe_dump(GOOD | {"name": "bodypix-resnet50"}))
    assert load_card("bodypix-resnet50").title == "Mine"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "../mine"}, "name is '../mine'.* letters, digits"),
        ({"name": "other"}, "must have the name of its file.*'other'"),
        ({"shell": "rm"}, "there is no field 'shell'.*name, title"),
        ({"licence": None}, "the field 'licence' is missing"),
        ({"source": "file:///etc/"}, "source is 'file:///etc/'.* '' or a folder's address"),
        ({"source": "https://x/{quant.__class__}/"}, "source is .*'' or a folder's address"),
        ({"source": "https://x/"}, "source must contain {quant} if quant_bytes has more than one"),
        ({"file": "../model-stride{stride}.json"}, "file is .*a file name"),
        ({"file": "{stride!r}.json"}, "file is .*a file name"),
        ({"file": "model.json"}, "file must contain {stride} if output_strides has more than one"),
        ({"folder_names": ["../../etc"]}, r"folder_names.0 is '../../etc'.* folder's name"),
        ({"folder_names": ["/etc"]}, r"folder_names.0 is '/etc'.* folder's name"),
        ({"output_strides": [12]}, r"output_strides.0 is 12.*it should be 8, 16 or 32"),
        ({"output_strides": []}, r"output_strides is \[\].* at least one value"),
        ({"quant_bytes": [4, 4]}, r"quant_bytes is \[4, 4\].* at least one value, without duplicates"),
        ({"sha256": {"float/x.bin": "123"}}, "sha256.float/x.bin is '123'.* 64 hexadecimal digits"),
        (
            {"preprocessing": {"scale": [1.0], "offset": [0.0, 0.0, 0.0]}},
            "field 'preprocessing.scale.1' is missing",
        ),
        (
            {"preprocessing": {"scale": [float("nan"), 1.0, 1.0], "offset": [0.0, 0.0, 0.0]}},
            "preprocessing.scale.0 is nan.*it should be a finite number",
        ),
        ({"title": "x" * 3000}, "title is 'x+...x+'.*String should have at most 2000 characters"),
    ],
)
def test_a_bad_field_is_named(folder, changes, message):
    write(folder, **changes)
    with pytest.raises(ModelFileError, match=message):
        load_card("mine")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "should be a valid dictionary"),
        ("- 1", "should be a valid dictionary"),
        ("a: [", "is not valid YAML"),
        ("!!python/object/apply:os.system ['true']", "should be a valid dictionary"),
        ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]", r"alias '\*a' is not allowed"),
        ("#" * 300_000, "longer than 262,144 bytes"),
        ("[" * 60_000, "nest"),
    ],
)
def test_a_file_that_is_no_card_is_refused(folder, text, message):
    (folder / "mine.yaml").write_text(text)
    with pytest.raises(ModelFileError, match=message):
        load_card("mine")


def test_a_card_that_cannot_be_read_is_named(folder):
    write(folder)
    (folder / "mine.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModelFileError, match=r"mine.yaml' is not valid YAML"):
        load_card("mine")


def test_a_card_may_hold_several_heads():
    card = Card.model_validate(GOOD | {"outputs": {"a": "x/y:0", "b": "z"}})
    assert card.outputs == {"a": "x/y:0", "b": "z"}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@given(changes=st.dictionaries(st.sampled_from([*GOOD, "classes", "layout", "sha256", "nonsense"]), VALUES, max_size=3))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_card_is_read_or_refused_with_a_sentence(folder, changes):
    (folder / "mine.yaml").write_text(yaml.safe_dump(GOOD | changes))
    try:
        said = load_card("mine").name
    except ModelFileError as err:
        said = str(err)
    assert said == "mine" or "mine.yaml" in said
    assert len(said) < 5000
