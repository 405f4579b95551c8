"""Find the card of a model file by name, folder or checksum, or by its tensors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from ..errors import ModelFileError
from ..formats import FileFacts, ModelSource, TensorFacts, describe, detect
from .card import Card, read_card
from .checksums import sha256_of

__all__ = ["adapted", "card_beside", "looks_like", "own_name", "recognize"]

#: Channels of the heads that identify a network; displacements may be in one or two tensors.
_BODYPIX: Final = Counter((1, 24))
_POSENET: Final = Counter((17, 34))
_DISPLACEMENTS: Final = (Counter((32, 32)), Counter((64,)))
_PASCAL_CLASSES: Final = 21
#: MoveNet's only output: of one person, and of several, each 17 keypoints and a box.
_MOVENET_ONE: Final = (1, 1, 17, 3)
_MOVENET_ALL_VALUES: Final = 56
#: Keypoints of top-down networks whose first 17 are COCO's: COCO, Halpe, COCO-WholeBody.
_KEYPOINTS: Final = (17, 26, 133)
#: Without the heads, MobileNetV1 has 14 plain convolutions and ResNet50 has 53.
_RESNET_CONVOLUTIONS: Final = 45
_CONVOLUTIONS: Final = ("Conv2D", "_FusedConv2D", "CONV_2D", "Conv", "Convolution")
_PICTURE_CHANNELS: Final = (3, 4)


def recognize(path: Path, output_stride: int, cards: Sequence[Card]) -> Card:
    """Find the card for the model at `path`, adapted to the file's input: the one beside it, or a known one.

    Raises ModelNotFoundError, or ModelFileError, also for an unknown network or one whose normalization is not in the
    file.
    """
    source = detect(path, output_stride)
    path = source.path
    beside = card_beside(path)
    card = read_card(beside) if beside.is_file() else _known(source, cards)
    if card is not None:
        return adapted(card, source)
    facts = describe(source)
    name = looks_like(facts)
    if not name:
        raise ModelFileError(
            f"The model {str(path)!r} does not look like a known network: it has {_listed('input', facts.inputs)} and "
            f"{_listed('output', facts.outputs)}. Known are BodyPix (outputs of 1, 24, 17 and 34 channels, and 32 + 32 "
            "or 64), PoseNet (17, 34, and 32 + 32 or 64), MoveNet (1×1×17×3 or 1×6×56), top-down poses (17, 26 or "
            "133 vectors or maps), DeepLab (21, or class numbers) and portrait networks (one of 1 or 2). Set model to "
            "its card, or network to its plugin."
        )
    if name == "portrait":
        portraits = ", ".join(card.name for card in cards if card.network == "portrait")
        raise ModelFileError(
            f"The model {str(path)!r} looks like a portrait network, but the file does not contain its "
            f"normalization. Set model to its card: {portraits}."
        )
    own = {"name": own_name(path), "title": "recognized by its inputs and outputs"}
    like = next(card for card in cards if card.name == name)
    return _fitted(like, facts).model_copy(update=own)


def looks_like(facts: FileFacts) -> str:
    """Name of the card that matches a file's tensors; 'portrait' for any portrait network, '' for none."""
    if not facts.inputs or not facts.outputs:
        return ""
    if pose := _movenet(facts) or _top_down(facts):
        return pose
    channels_first = _channels_first(facts.inputs[0])
    channels = Counter(_channels(tensor, channels_first) for tensor in facts.outputs)
    displacements = any(channels >= pair for pair in _DISPLACEMENTS)
    resnet = sum(facts.ops.get(op, 0) for op in _CONVOLUTIONS) > _RESNET_CONVOLUTIONS
    backbone = "resnet50" if resnet else "mobilenet-050"
    if channels >= _BODYPIX:
        return f"bodypix-{backbone}" if displacements else "bodypix-v1-mobilenet-050"
    if channels >= _POSENET and displacements:
        return f"posenet-{backbone}"
    return _one_map(facts.outputs[0], channels_first) if len(facts.outputs) == 1 else ""


def _movenet(facts: FileFacts) -> str:
    """Name of the MoveNet card that matches; '' for another network."""
    output = facts.outputs[0].shape if len(facts.outputs) == 1 else ()
    if output == _MOVENET_ONE:
        return "movenet-thunder" if 256 in facts.inputs[0].shape else "movenet-lightning"
    return "movenet-multipose" if len(output) == 3 and output[-1] == _MOVENET_ALL_VALUES else ""


def _top_down(facts: FileFacts) -> str:
    """Name of the top-down card that matches: two vectors or one map of every keypoint; '' for another network."""
    shapes = [tensor.shape for tensor in facts.outputs]
    counts = {shape[1] for shape in shapes if len(shape) > 1}
    if len(counts) != 1 or counts.pop() not in _KEYPOINTS or not _channels_first(facts.inputs[0]):
        return ""
    ranks = [len(shape) for shape in shapes]
    return "rtmpose-m-256x192" if ranks == [3, 3] else "heatmap-pose-256x192" if ranks == [4] else ""


def _one_map(output: TensorFacts, channels_first: bool) -> str:
    """Determine the type of a network with one output."""
    channels, rank = _channels(output, channels_first), len(output.shape)
    if rank == 4 and channels == _PASCAL_CLASSES:
        return "deeplab-mobilenet-v2-257"
    if output.name.startswith("SemanticPredictions") or (rank == 3 and output.dtype.startswith("int")):
        return "deeplab-mobilenet-v2-dm05"
    flat = rank == 2 and round((channels or 0) ** 0.5) ** 2 == channels
    return "portrait" if flat or (rank == 4 and channels in (1, 2)) else ""


def adapted(card: Card, source: ModelSource) -> Card:
    """Return the card with the input size, layout and dtype that a tflite, ONNX or OpenVINO file declares."""
    return _fitted(card, describe(source)) if source.format in ("tflite", "onnx", "openvino") else card


def _fitted(card: Card, facts: FileFacts) -> Card:
    if len(facts.inputs) != 1 or len(facts.inputs[0].shape) != 4:
        return card
    picture = facts.inputs[0]
    first = _channels_first(picture)
    height, width = picture.shape[2:] if first else picture.shape[1:3]
    changes: dict[str, Any] = {"layout": "nchw" if first else "nhwc"}
    # BodyPix and PoseNet are fully convolutional, so LiteRT can resize them; so can it MoveNet for several people.
    resizable = card.network in ("bodypix", "posenet") or card.name == "movenet-multipose"
    if height and width and not (resizable and "CONV_2D" in facts.ops):
        changes["input_size"] = (height, width)
    if not picture.scale and picture.dtype in ("float32", "uint8", "int32"):
        changes["input_dtype"] = picture.dtype
    return card.model_copy(update=changes)


def _channels_first(picture: TensorFacts) -> bool:
    shape = picture.shape
    return len(shape) == 4 and shape[1] in _PICTURE_CHANNELS and shape[3] not in _PICTURE_CHANNELS


def _channels(tensor: TensorFacts, channels_first: bool) -> int | None:
    shape = tensor.shape
    return shape[1 if channels_first and len(shape) == 4 else -1] if shape else None


def _known(source: ModelSource, cards: Sequence[Card]) -> Card | None:
    """Find the card by file name, by folder for tfjs files, or by checksum."""
    cards = [card for card in cards if source.format.startswith(card.format)]
    folder = source.path.parent.as_posix()
    for card in cards:
        if card.format == "tfjs":
            named = any(folder.endswith(f"/{name}") for name in (card.name, *card.folder_names))
        else:
            named = source.path.name in [card.file_name(stride) for stride in card.output_strides or (0,)]
        if named:
            return card
    digest = sha256_of(source.path) if source.path.is_file() else ""
    return next((card for card in cards if digest in card.sha256.values()), None)


def card_beside(path: Path) -> Path:
    """Where a model's own card is: a YAML of the file's name beside it, of the folder's for one of several files."""
    several = own_name(path) == path.parent.name
    return path.parent.with_name(f"{path.parent.name}.yaml") if several else path.with_suffix(".yaml")


def own_name(path: Path) -> str:
    """Name for a model that no card names: its file, or the folder of a model with several files."""
    return path.parent.name if path.suffix == ".json" or path.name == "tensorflowjs_model.pb" else path.name


def _listed(noun: str, tensors: tuple[TensorFacts, ...]) -> str:
    shapes = ", ".join("×".join("any" if side is None else str(side) for side in tensor.shape) for tensor in tensors)
    return f"{len(tensors)} {noun}{'s' * (len(tensors) != 1)}{f' ({shapes})' if tensors else ''}"
