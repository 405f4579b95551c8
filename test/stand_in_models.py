"""Files in the place of networks that are not here, so that commands which name them run without a download.

Each has its card's network, name and options. BodyPix and PoseNet stand-ins have the weights of the shipped network;
the others are ONNX files of one or two layers, whose answers mean nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from bodyseg_ros.catalog import SHIPPED_MODEL, card_names, load_card
from bodyseg_ros.catalog.card import Card, shipped_folder

#: Height and width of an input that is open in the file.
OPEN = ("height", "width")


def write_stand_ins(folder: Path) -> None:
    """Put a card and its files into `folder` for every network that can have a stand-in; for $BODYSEG_MODEL_PATH."""
    for name in card_names():
        card = load_card(name)
        changes = _stand_in(card, folder / name)
        if changes:
            described = {**card.model_dump(mode="json", exclude_defaults=True), "sha256": {}, "source": "", **changes}
            (folder / f"{name}.yaml").write_text(yaml.safe_dump(described), encoding="utf-8")


def _stand_in(card: Card, folder: Path) -> dict[str, Any]:
    """What differs on the stand-in's card; {} if there is none."""
    if card.name == SHIPPED_MODEL or card.format == "none":
        return {}
    if card.network in ("bodypix", "posenet"):
        return _with_shipped_weights(card, folder) if card.format == "tfjs" and not card.any_stride else {}
    path = folder / f"{Path(card.file).stem}.onnx"
    onnx = {"format": "onnx", "file": path.name, "layout": "nchw", "input": "image", "input_dtype": "float32"}
    folder.mkdir()
    if card.network == "top_down":
        simple_onnx(path, {"simcc_x": (17, 384), "simcc_y": (17, 512)}, card.input_size or OPEN)
        return {**onnx, "outputs": {"simcc_x": "simcc_x", "simcc_y": "simcc_y"}}
    if card.network == "movenet":
        simple_onnx(path, {"people": (1, 17, 3) if card.input_size else (6, 56)}, card.input_size or OPEN)
        return {**onnx, "outputs": {"people": "people"}}
    if card.network in ("portrait", "deeplab"):
        colors = 4 if card.preprocessing.previous_mask else 3
        head = next(iter(card.outputs))
        channels = len(card.classes)
        simple_onnx(path, {head: channels}, card.input_size or OPEN, colors, labels=card.scores == "labels")
        return {**onnx, "outputs": {head: head}}
    return {}


def _with_shipped_weights(card: Card, folder: Path) -> dict[str, Any]:
    shipped = load_card(SHIPPED_MODEL)
    folder.mkdir()
    for path in (shipped_folder() / SHIPPED_MODEL).iterdir():
        (folder / path.name).symlink_to(path)
    facts = shipped.model_dump(mode="json", include={"outputs", "preprocessing"})
    facts["outputs"] = {head: name for head, name in facts["outputs"].items() if head in card.outputs}
    return facts | {"format": "tflite", "file": shipped.other_files["tflite"]}


def simple_onnx(
    path: Path,
    outputs: dict[str, int | tuple[int, ...]],
    size: tuple[int | str, int | str],
    colors: int = 3,
    labels: bool = False,
) -> Path:
    """Write a network with the input `image` (1, colors, *size).

    outputs: name → channels of a map of the input's size, or the shape of a tensor of zeros after the batch.
    labels: maps hold the number of the highest channel.
    """
    from onnx import TensorProto, helper, numpy_helper, save

    kind, random = TensorProto.FLOAT, np.random.default_rng(0)
    stored, nodes, found = [], [], []
    for name, shape in outputs.items():
        if isinstance(shape, tuple):
            stored.append(numpy_helper.from_array(np.zeros((1, *shape), np.float32), f"{name}_zeros"))
            stored.append(numpy_helper.from_array(np.float32(0), "nothing"))
            nodes.append(helper.make_node("Slice", ["image", *_corner(stored, name)], [f"{name}_corner"]))
            nodes.append(helper.make_node("Mul", [f"{name}_corner", "nothing"], [f"{name}_nothing"]))
            nodes.append(helper.make_node("Reshape", [f"{name}_nothing", f"{name}_one"], [f"{name}_flat"]))
            nodes.append(helper.make_node("Add", [f"{name}_flat", f"{name}_zeros"], [name]))
            found.append(helper.make_tensor_value_info(name, kind, [1, *shape]))
            continue
        weights = random.normal(0, 1, (shape, colors, 1, 1)).astype(np.float32)
        stored.append(numpy_helper.from_array(weights, f"{name}_weights"))
        nodes.append(helper.make_node("Conv", ["image", f"{name}_weights"], [f"{name}_sums" if labels else name]))
        if labels:
            nodes.append(helper.make_node("ArgMax", [f"{name}_sums"], [name], axis=1, keepdims=0))
        info = (TensorProto.INT64, [1, *size]) if labels else (kind, [1, shape, *size])
        found.append(helper.make_tensor_value_info(name, *info))
    image = helper.make_tensor_value_info("image", kind, [1, colors, *size])
    graph = helper.make_graph(nodes, "stand_in", [image], found, list({one.name: one for one in stored}.values()))
    opsets = [helper.make_opsetid("", 13)]
    save(helper.make_model(graph, opset_imports=opsets, ir_version=8), str(path))
    return path


def _corner(stored: list[Any], name: str) -> list[str]:
    """Names of the constants that cut one value out of the image, and `name`_one, its new shape."""
    from onnx import numpy_helper

    for part, values in {"starts": [0, 0, 0, 0], "ends": [1, 1, 1, 1], "one": [1]}.items():
        stored.append(numpy_helper.from_array(np.array(values, np.int64), f"{name}_{part}"))
    return [f"{name}_starts", f"{name}_ends"]
