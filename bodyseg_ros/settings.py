"""What a parameter is: name, type, range, default, description, live or not, each stated once.

Each plugin, node and tool has a Settings class; a field is a parameter. From the fields come the reader of ROS
parameter files, the command line's flags, the ROS descriptors and the parameter page of the documentation.

The fields of the chosen model and network stand at the root (``segmentation_threshold``); the fields of an
engine or effect stand under its name (``tensorflow.device``), so that two plugins cannot collide.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from .errors import SettingsError, UnknownParameterError, quote

__all__ = [
    "ModelSettings",
    "Parameter",
    "Settings",
    "Size",
    "build",
    "flatten",
    "parameters",
    "require_live",
    "split_groups",
    "unknown_parameter",
    "updated",
]

Scalar = bool | int | float | str
Value = Scalar | Sequence[Scalar]
S = TypeVar("S", bound="Settings")


@dataclass(frozen=True)
class Size:
    """A picture's size, px."""

    width: int
    height: int

    @classmethod
    def parse(cls, text: str, smallest: int = 1, largest: int = 9999) -> Size:
        """Parse WIDTHxHEIGHT. Raises ValueError that says what is allowed."""
        found = re.fullmatch(r"([0-9]{1,6})x([0-9]{1,6})", text.strip())
        size = cls(int(found[1]), int(found[2])) if found else cls(0, 0)
        if not smallest <= min(size.width, size.height) <= max(size.width, size.height) <= largest:
            raise ValueError(f"WIDTHxHEIGHT, each from {smallest} to {largest}")
        return size


class Settings(BaseModel):
    """Base of all parameter classes: frozen, no unknown names; a change makes a new object."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), coerce_numbers_to_str=True)


def start_only(default: Any, description: str, **limits: Any) -> Any:
    """A field that is read once, when the model is loaded or the node starts."""
    return Field(default, description=description, json_schema_extra={"live": False}, **limits)


def live(default: Any, description: str, **limits: Any) -> Any:
    """A field that may change between two frames."""
    return Field(default, description=description, json_schema_extra={"live": True}, **limits)


class ModelSettings(Settings):
    """Which network runs, from which files, by which engine."""

    model: str = start_only(
        "auto",
        "Name of a model card; `bodyseg models list` lists them. auto: the included network; with model_path, "
        "the card recognized from the file; with network, the first card of that network.",
    )
    model_path: str = start_only(
        "",
        "Your own model file or folder, used instead of the card's files; '': the card's. With model auto its "
        "card is recognized.",
    )
    model_url: str = start_only("", "URL of a model.json to download instead of the card's; '': the card's.")
    network: str = start_only("auto", "Network plugin for the model; auto: the card's.")
    engine: str = start_only(
        "auto",
        "Engine plugin that runs the network; auto: the fastest installed one that reads one of the model's files.",
    )
    threads: int = start_only(0, "Number of CPU threads, for any engine; 0: one per core.", ge=0, le=256)
    architecture: Literal["auto", "MobileNetV1", "ResNet50"] = start_only(
        "auto", "Backbone of the published `network` (auto: bodypix), in place of `model`."
    )
    multiplier: float = start_only(
        0.0,
        "Width of the published MobileNetV1: 0.5, 0.75 or 1; 0: as documented (bodypix 0.75, posenet 1).",
        ge=0.0,
        le=1.0,
    )
    output_stride: Literal[8, 16, 32] = start_only(
        16, "Network px per output cell: 8 is finer and slower than 16. The card lists the available strides."
    )
    quant_bytes: Literal[4, 2, 1] = start_only(
        4,
        "Bytes per weight of the published files: 4 is exact, 1 is a quarter of the download.",
    )

    try_model_files: bool = start_only(
        True,
        "Run a model file without a published checksum in a child process first, once per file, to limit its "
        "memory and time. false: trust every file.",
    )

    @model_validator(mode="after")
    def _one_way(self) -> ModelSettings:
        for name in ("architecture", "multiplier"):
            value = getattr(self, name)
            if value != type(self).model_fields[name].default and self.model != "auto":
                raise ValueError(
                    f"Parameter {name} is {value}, but it chooses among published networks, and model names the card "
                    f"{self.model} itself; set only one of them."
                )
        if self.model_path and self.model_url:
            raise ValueError("Both model_path and model_url are set; set one of them, and the other to ''.")
        if (self.model_path or self.model_url) and self.quant_bytes != type(self).model_fields["quant_bytes"].default:
            raise ValueError(
                f"Parameter quant_bytes is {self.quant_bytes}, but it chooses among published files, and "
                f"{'model_path' if self.model_path else 'model_url'} names the file itself; set only one of them."
            )
        return self


_DEEPEST: Final = 20
_NOUNS: Final = {
    "int": "an integer",
    "float": "a number",
    "str": "a string",
    "int_list": "a list of integers",
    "float_list": "a list of numbers",
    "str_list": "a list of strings",
    "bool_list": "a list of true and false",
}


@dataclass(frozen=True)
class Parameter:
    """One parameter, as documentation, command line and ROS descriptors show it.

    kind: bool, int, float, str, int_list, float_list or str_list. choices: allowed values, empty if any.
    minimum, maximum: bounds, None if open; inclusive, but the minimum itself is not allowed with above_minimum.
    """

    name: str
    kind: str
    default: Any
    description: str
    live: bool
    choices: tuple[Scalar, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    above_minimum: bool = False

    @property
    def allowed(self) -> str:
        """Allowed values in words: 'one of a, b', 'a number from 0 to 1', 'a string'."""
        if self.choices:
            names = "one of " + ", ".join(str(choice) for choice in self.choices)
            if self.minimum is None or self.maximum is None:
                return names
            return f"{names}, or a number from {self.minimum:g} to {self.maximum:g}"
        if self.kind == "bool":
            return "true or false"
        low = "" if self.minimum is None else f" {'above' if self.above_minimum else 'from'} {self.minimum:g}"
        up_to = ", up to" if self.above_minimum else " to"
        high = "" if self.maximum is None else f"{up_to} {self.maximum:g}"
        return f"{_NOUNS[self.kind]}{low}{high}"


def parameters(settings: type[Settings], prefix: str = "") -> Iterator[Parameter]:
    """Parameters of a class, with `prefix.` before each name if there is a prefix."""
    for name, info in settings.model_fields.items():
        kind, choices = _kind(info.annotation)
        extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
        default = info.get_default(call_default_factory=True)
        yield Parameter(
            name=f"{prefix}.{name}" if prefix else name,
            kind=kind,
            default=list(default) if isinstance(default, tuple) else default,
            description=info.description or "",
            live=bool(extra.get("live", False)),
            choices=choices,
            minimum=_limit(info, "gt") if _limit(info, "ge") is None else _limit(info, "ge"),
            maximum=_limit(info, "le"),
            above_minimum=_limit(info, "gt") is not None,
        )


def _limit(info: FieldInfo, bound: str) -> float | None:
    """Bound of a field, or of the number in a union with names; 'ge' and 'le' are inclusive, 'gt' is not."""
    entries = list(info.metadata)
    for member in get_args(info.annotation):
        for constraint in getattr(member, "__metadata__", ()):
            entries += constraint.metadata
    for entry in entries:
        if getattr(entry, bound, None) is not None:
            return float(getattr(entry, bound))
    return None


def _kind(annotation: Any) -> tuple[str, tuple[Scalar, ...]]:
    """Type as in ROS, and choices, from a field's annotation."""
    origin = get_origin(annotation)
    if origin is Literal:
        choices = get_args(annotation)
        return type(choices[0]).__name__, choices
    if origin is tuple:
        inner, choices = _kind(get_args(annotation)[0])
        return f"{inner}_list", choices
    if annotation in (bool, int, float, str):
        return str(annotation.__name__), ()
    # A union such as `Literal["low", …] | float`: written as text, read as either.
    return "str", tuple(choice for member in get_args(annotation) for choice in _kind(member)[1])


def build(settings: type[S], values: Mapping[str, Any], prefix: str = "") -> S:
    """Make a settings object from parameter values; unset ones take their defaults.

    Raises SettingsError that names the parameter, quotes the value and says what is allowed.
    """
    try:
        return settings(**values)
    except ValidationError as err:
        text, problems = _sentence(settings, err, prefix), err.errors()
        if all(problem["type"] == "extra_forbidden" for problem in problems):
            raise UnknownParameterError(text, _dotted(prefix, problems[0])) from err
        raise SettingsError(text) from err


def updated(settings: S, values: Mapping[str, Any], prefix: str = "") -> S:
    """Update settings from parameter values; returns the same object if none applies.

    Under a prefix all values must be its parameters. Raises SettingsError like build().
    """
    own = values if prefix else {name: value for name, value in values.items() if name in type(settings).model_fields}
    return build(type(settings), settings.model_dump() | dict(own), prefix) if own else settings


def _dotted(prefix: str, problem: ErrorDetails) -> str:
    name = str(problem["loc"][0]) if problem["loc"] else ""
    return f"{prefix}.{name}" if prefix else name


def _sentence(settings: type[Settings], err: ValidationError, prefix: str) -> str:
    known = {parameter.name: parameter for parameter in parameters(settings)}
    sentences = []
    for problem in err.errors():
        shown = _dotted(prefix, problem)
        if problem["type"] == "extra_forbidden":
            sentences.append(str(unknown_parameter(shown, [f"{prefix}.{key}" if prefix else key for key in known])))
        elif problem["type"] == "value_error":
            sentences.append(str(problem["ctx"]["error"]))
        else:
            allowed = problem["msg"] if problem["type"] == "allowed" else known[shown.rpartition(".")[2]].allowed
            sentence = f"Parameter {shown} is {quote(problem['input'])}, but it must be {allowed}."
            if sentence not in sentences:
                sentences.append(sentence)
    return " ".join(sentences)


def unknown_parameter(name: str, known: Sequence[str], whose: str = "There is") -> UnknownParameterError:
    """The error for an unknown parameter, of anything or of 'The model X', with the nearest names."""
    near = difflib.get_close_matches(name, known, n=3)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    return UnknownParameterError(f"{whose} no parameter {quote(name)}.{hint} `bodyseg params` lists them all.", name)


def require_live(
    names: Iterable[str], known: Iterable[Parameter], start: str = "when the model is loaded; load it again"
) -> None:
    """Raise SettingsError for a parameter that does not exist or cannot be changed.

    start: when it is read, and how to give it another value.
    """
    by_name = {parameter.name: parameter for parameter in known}
    for name in names:
        if name not in by_name:
            raise unknown_parameter(name, list(by_name))
        if not by_name[name].live:
            raise SettingsError(f"Parameter {name} is read {start} with another value.")


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested mappings to dotted names, as ROS does. Raises SettingsError if they nest too deep."""
    if prefix.count(".") > _DEEPEST:
        raise SettingsError(f"The parameter {quote(prefix)} is nested deeper than {_DEEPEST} levels.")
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{name}."))
        else:
            flat[name] = value
    return flat


def split_groups(flat: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Split dotted parameters into those at the root and those of each group (the text before the first dot)."""
    root: dict[str, Any] = {}
    groups: dict[str, dict[str, Any]] = {}
    for name, value in flat.items():
        group, dot, rest = name.partition(".")
        if dot:
            groups.setdefault(group, {})[rest] = value
        else:
            root[name] = value
    return root, groups
