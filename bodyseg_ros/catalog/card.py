"""Model cards: facts about each published network, one YAML file each.

Cards are in the package's ``models`` folder and the folders of ``$BODYSEG_MODEL_PATH``. The first card of a name wins,
so users can override shipped cards.
"""

from __future__ import annotations

import difflib
import os
import re
import reprlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..errors import ModelFileError, ModelNotFoundError, SettingsError, quote
from ..yaml_reader import read_yaml_file

__all__ = [
    "PRECISIONS",
    "Card",
    "Preprocessing",
    "all_cards",
    "card_folders",
    "card_names",
    "load_card",
    "read_card",
    "shipped_folder",
]

#: Bytes per stored weight → the folder of the published files (tfjs-models body-pix 2.2.1, saved_models.ts).
PRECISIONS: Final[Mapping[int, str]] = {4: "float", 2: "quant2", 1: "quant1"}


def _matching(pattern: str, allowed: str) -> AfterValidator:
    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"it must be {allowed}")
        return text

    return AfterValidator(check)


def _some(values: tuple[int, ...]) -> tuple[int, ...]:
    if not values or len(set(values)) != len(values):
        raise ValueError("it must have at least one value, without duplicates")
    return values


_LONGEST_NAME = 200
_PLAIN = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
Name = Annotated[str, _matching(_PLAIN, "letters, digits, '.', '_' and '-', and no folder")]
FolderName = Annotated[str, _matching(rf"{_PLAIN}(/{_PLAIN})*", "a folder's name, without '..' and not absolute")]
FileName = Annotated[
    str,
    _matching(r"(?!\.)([A-Za-z0-9._-]|\{stride\})+", "a file name, {stride} standing for the stride, and no folder"),
]
Source = Annotated[
    str,
    _matching(r"|https?://([^\s?#{}]|\{quant\})+/", "'' or a folder's address: https://…/, {quant} the precision"),
]
Query = Annotated[str, _matching(r"|\?[\w=&%.~-]+", "'' or a query: ?name=value")]
Identifier = Annotated[str, _matching(r"[a-z][a-z0-9_]*", "lower-case letters, digits and '_'")]
TensorName = Annotated[str, _matching(r"[\w][\w./:-]*", "a tensor's name")]
Sha256 = Annotated[str, _matching(r"[0-9a-f]{64}", "64 hexadecimal digits")]
ClassName = Annotated[str, _matching(r"[a-z][a-z0-9 _-]*", "a name in lower-case letters")]
Side = Annotated[int, Field(ge=1, le=4096)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Color = tuple[Number, Number, Number]


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_max_length=2000)


class Preprocessing(_Facts):
    """tensor = image * scale + offset, per channel R, G, B; image 0 to 255.

    channels: the network's channel order. resampling: of networks to whose size the whole image is stretched: means of
    areas where it shrinks, or bilinear between the nearest pixels without half-pixel centers, as MediaPipe does.
    previous_mask: whether the previous frame's person probability is a fourth channel.
    """

    scale: Color
    offset: Color
    channels: Literal["rgb", "bgr"] = "rgb"
    resampling: Literal["area", "bilinear"] = "area"
    previous_mask: bool = False


class Card(_Facts):
    """One published network: network × architecture × multiplier. Stride and precision are variants of one card.

    good_for: what it does better than others, in a few words.
    source: URL of the published folder, with ``{quant}`` for 'float', 'quant2' or 'quant1'; '' if none. query: what
    the server wants after the name of each file, from '?'.
    format: 'none' for a method without files. file: the model's main file, with ``{stride}`` for the output stride.
    outputs: head → tensor name. sha256: 'float/file name' → checksum of that published file, where known.
    other_files: format → the same network in that format, used if it is beside `file` and its engine is faster.
    int8_file: the same as tflite in int8, taken in place of the float one where the processor computes it faster.
    folder_names: other folder names to search. package_folder: where an installed Python package has the file, such as
    'mediapipe/modules/selfie_segmentation'; the package is not imported.
    output_strides: () if there is no choice. any_stride: one file has them all, and its graph is changed to the stride
    asked for. defaults: the network's parameters whose default this model's authors documented otherwise.
    input_size: (height, width) px if fixed. input_dtype: dtype of the input; float32 (real values) for quantized
    files. layout: channels last or first. classes: class names in channel order.
    scores: output per pixel: logits or probabilities by class, or the number of the best class.
    """

    name: Name
    title: str
    good_for: Annotated[str, Field(max_length=32)] = ""
    network: Identifier
    format: Literal["tfjs", "frozen", "tflite", "onnx", "none"]
    source: Source = ""
    query: Query = ""
    file: FileName
    other_files: dict[Literal["tflite", "onnx", "openvino"], FileName] = {}
    int8_file: FileName | None = None
    folder_names: tuple[FolderName, ...] = ()
    package_folder: FolderName | Literal[""] = ""
    output_strides: Annotated[tuple[Literal[8, 16, 32], ...], AfterValidator(_some)] = ()
    any_stride: bool = False
    defaults: dict[Identifier, Number] = {}
    quant_bytes: Annotated[tuple[Literal[4, 2, 1], ...], AfterValidator(_some)] = (4,)
    preprocessing: Preprocessing
    input: TensorName
    input_size: tuple[Side, Side] | None = None
    input_dtype: Literal["float32", "uint8", "int32"] = "float32"
    layout: Literal["nhwc", "nchw"] = "nhwc"
    outputs: dict[Identifier, TensorName]
    classes: tuple[ClassName, ...] = ()
    scores: Literal["logits", "probabilities", "labels"] = "logits"
    licence: str
    sha256: dict[FolderName, Sha256] = {}
    paper: str = ""
    note: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> Card:
        if len(self.output_strides) > 1 and "{stride}" not in self.file and not self.any_stride:
            raise ValueError("file must contain {stride} if output_strides has more than one, unless any_stride is set")
        if self.source and len(self.quant_bytes) > 1 and "{quant}" not in self.source:
            raise ValueError("source must contain {quant} if quant_bytes has more than one")
        return self

    def check_variant(self, output_stride: int, quant_bytes: int) -> None:
        """Raise SettingsError unless the network was published with this stride and precision."""
        for parameter, value, offered in (
            ("output_stride", output_stride, self.output_strides),
            ("quant_bytes", quant_bytes, self.quant_bytes),
        ):
            if offered and value not in offered:
                choices = " or ".join(str(choice) for choice in offered)
                raise SettingsError(
                    f"Parameter {parameter} is {value!r}, but {self.name} was published with {choices} only."
                )

    def file_name(self, output_stride: int) -> str:
        """Name of the model's main file."""
        return self.file.replace("{stride}", str(output_stride))

    def folder_address(self, quant_bytes: int) -> str:
        """URL of the folder of published files, ending in a slash; '' if there is none."""
        return self.source.replace("{quant}", PRECISIONS[quant_bytes])

    def known_sha256(self, quant_bytes: int) -> dict[str, str]:
        """File name → checksum of the published files of one precision."""
        prefix = f"{PRECISIONS[quant_bytes]}/"
        return {key[len(prefix) :]: value for key, value in self.sha256.items() if key.startswith(prefix)}


def shipped_folder() -> Path:
    """Folder of the shipped cards: inside an installed package, beside it in a checkout."""
    package = Path(__file__).parent.parent
    inside = package / "models"
    return inside if inside.is_dir() else package.parent / "models"


def card_folders() -> list[Path]:
    """Folders searched for cards: those of $BODYSEG_MODEL_PATH, then the package's."""
    listed = os.environ.get("BODYSEG_MODEL_PATH", "").split(os.pathsep)
    return [expanded(folder) for folder in listed if folder] + [shipped_folder()]


def expanded(folder: str) -> Path:
    """Expand ~ to the home folder; unchanged if there is no such user."""
    return Path(os.path.expanduser(folder))  # noqa: PTH111 - Path.expanduser raises for an unknown user


def card_names() -> list[str]:
    """Names of all cards, sorted; a card need not be valid to be named."""
    return sorted({path.stem for folder in card_folders() for path in folder.glob("*.yaml")})


def load_card(name: str) -> Card:
    """Load the card of that name.

    Raises ModelNotFoundError with the existing names, or ModelFileError if the card is invalid.
    """
    if re.fullmatch(_PLAIN, name) and len(name) <= _LONGEST_NAME:
        for folder in card_folders():
            path = folder / f"{name}.yaml"
            if path.is_file():
                return read_card(path)
    names = card_names()
    near = difflib.get_close_matches(name, names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ModelNotFoundError(f"There is no model card {quote(name)}; there are: {', '.join(names) or 'none'}.{hint}")


def all_cards() -> list[Card]:
    """Load every card by name. Raises ModelFileError for an invalid one."""
    return [load_card(name) for name in card_names()]


def read_card(path: Path) -> Card:
    """Read one card. Raises ModelFileError if it is invalid."""
    try:
        card = Card.model_validate(read_yaml_file(path, "model card", ModelFileError))
    except ValidationError as err:
        raise ModelFileError(f"The model card {str(path)!r} is not valid: {_sentence(err)}") from err
    if card.name != path.stem:
        raise ModelFileError(f"The model card {str(path)!r} must have the name of its file, but it is {card.name!r}.")
    return card


def _sentence(err: ValidationError) -> str:
    """Findings of pydantic, one sentence per field."""
    words: dict[str, Callable[[str, Any], str]] = {
        "missing": lambda field, _: f"the field {field!r} is missing.",
        "extra_forbidden": lambda field, _: f"there is no field {field!r}; there are {', '.join(Card.model_fields)}.",
    }

    def sentence(problem: Any) -> str:
        field = ".".join(str(step) for step in problem["loc"])
        if problem["type"] in words:
            return words[problem["type"]](field, problem["input"])
        said = problem["ctx"]["error"] if problem["type"] == "value_error" else problem["msg"]
        reason = str(said).replace("Input should", "it should").rstrip(".")
        return f"{field} is {reprlib.repr(problem['input'])}, but {reason}." if field else f"{reason}."

    return " ".join(sentence(problem) for problem in err.errors())
