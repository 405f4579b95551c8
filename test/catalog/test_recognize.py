"""What a file looks like, by what it says of its tensors."""

from __future__ import annotations

from pathlib import Path

import pytest

from bodyseg_ros.catalog import all_cards, choose_card, looks_like, recognize
from bodyseg_ros.errors import ModelFileError
from bodyseg_ros.formats import FileFacts, TensorFacts
from bodyseg_ros.settings import ModelSettings

BODYPIX = {"a": 24, "b": 1, "c": 34, "d": 17, "e": 34, "f": 48}


def facts(outputs: dict[str, int], first: bool = False, convolutions: int = 22, rank: int = 4) -> FileFacts:
    def tensor(name: str, channels: int) -> TensorFacts:
        shape = (1, channels, 31, 41) if first else (1, 31, 41, channels)
        return TensorFacts(name, "float32", shape if rank == 4 else (1, channels))

    picture = (1, 3, 481, 641) if first else (1, 481, 641, 3)
    heads = tuple(tensor(name, channels) for name, channels in outputs.items())
    return FileFacts((TensorFacts("picture", "float32", picture),), heads, {"Conv": convolutions})


@pytest.mark.parametrize("first", [False, True], ids=["channels last", "channels first"])
@pytest.mark.parametrize(
    ("outputs", "convolutions", "card"),
    [
        (BODYPIX | {"g": 32, "h": 32}, 22, "bodypix-mobilenet-050"),
        (BODYPIX | {"g": 64}, 35, "bodypix-mobilenet-050"),
        (BODYPIX | {"g": 32, "h": 32}, 61, "bodypix-resnet50"),
        ({"a": 24, "b": 1, "c": 34, "d": 17}, 22, "bodypix-v1-mobilenet-050"),
        ({"a": 17, "b": 34, "c": 32, "d": 32}, 18, "posenet-mobilenet-050"),
        ({"a": 17, "b": 34, "c": 64}, 57, "posenet-resnet50"),
        ({"a": 17, "b": 34}, 18, ""),
        ({"a": 21}, 40, "deeplab-mobilenet-v2-257"),
        ({"a": 1}, 40, "portrait"),
        ({"a": 2}, 40, "portrait"),
        ({"a": 1000}, 40, ""),
        ({"a": 1, "b": 2}, 40, ""),
        ({}, 40, ""),
    ],
)
def test_networks_are_told_by_their_heads(outputs: dict[str, int], convolutions: int, card: str, first: bool) -> None:
    assert looks_like(facts(outputs, first, convolutions)) == card


def test_flat_masks_and_labels() -> None:
    assert looks_like(facts({"a": 128 * 128}, rank=2)) == "portrait"
    assert looks_like(facts({"a": 1000}, rank=2)) == ""
    picture = TensorFacts("picture", "uint8", (1, None, None, 3))
    for name, dtype in (("SemanticPredictions", "float32"), ("labels", "int64")):
        labels = TensorFacts(name, dtype, (1, None, None))
        assert looks_like(FileFacts((picture,), (labels,), {})) == "deeplab-mobilenet-v2-dm05"


def onnx_file(path: Path, outputs: dict[str, int], size: tuple[int | str, int | str] = ("h", "w")) -> Path:
    """A network of 1 × 1 convolutions, channels first."""
    onnx = pytest.importorskip("onnx")
    import numpy as np

    weights = [
        onnx.numpy_helper.from_array(np.ones((channels, 3, 1, 1), np.float32), f"{name}_w")
        for name, channels in outputs.items()
    ]
    nodes = [onnx.helper.make_node("Conv", ["picture", f"{name}_w"], [name]) for name in outputs]
    kind = onnx.TensorProto.FLOAT
    given = [onnx.helper.make_tensor_value_info("picture", kind, [1, 3, *size])]
    found = [onnx.helper.make_tensor_value_info(name, kind, [1, n, *size]) for name, n in outputs.items()]
    graph = onnx.helper.make_graph(nodes, "drawn", given, found, weights)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, str(path))
    return path


def test_a_file_of_no_known_network_says_what_it_has_and_what_is_known(tmp_path: Path) -> None:
    path = onnx_file(tmp_path / "odd.onnx", {"a": 5, "b": 7}, (64, 48))
    message = (
        r"odd.onnx' does not look like a known network: it has 1 input \(1×3×64×48\) and 2 outputs "
        r"\(1×5×64×48, 1×7×64×48\). Known are BodyPix \(outputs of 1, 24, 17 and 34 channels.*Set model to its card"
    )
    with pytest.raises(ModelFileError, match=message):
        recognize(path, 16, all_cards())


def test_a_plugins_network_may_read_what_we_do_not_know(tmp_path: Path) -> None:
    path = onnx_file(tmp_path / "odd.onnx", {"a": 5})
    settings = ModelSettings(model_path=str(path), network="my_network")
    assert choose_card(settings).name == "odd.onnx"


def test_the_card_takes_layout_and_size_from_the_file(tmp_path: Path) -> None:
    heads = {"segments": 1, "part_heatmaps": 24, "heatmaps": 17, "short_offsets": 34, "mid_offsets": 64}
    card = recognize(onnx_file(tmp_path / "fixed.onnx", heads, (65, 81)), 16, all_cards())
    assert (card.network, card.name, card.layout, card.input_size) == ("bodypix", "fixed.onnx", "nchw", (65, 81))
    card = recognize(onnx_file(tmp_path / "free.onnx", heads), 16, all_cards())
    assert (card.layout, card.input_size) == ("nchw", None)


def test_a_file_that_changes_is_looked_at_again(tmp_path: Path) -> None:
    path = onnx_file(tmp_path / "mine.onnx", {"a": 21}, (33, 33))
    assert recognize(path, 16, all_cards()).network == "deeplab"
    onnx_file(path, {"a": 17, "b": 34, "c": 64})
    assert recognize(path, 16, all_cards()).network == "posenet"
