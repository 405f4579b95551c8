"""Every parameter once: name, type, range, default, description, live or not.

Each plugin, node and tool has a Settings class; a field is a parameter. From the fields come the reader of ROS
parameter files, the command line's flags, the ROS descriptors and the parameter page of the documentation.

The fields of the chosen model and network stand at the root (``segmentation_threshold``); the fields of an
engine or effect stand under its name (``tensorflow.device``), so that two plugins cannot collide.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from .errors import SettingsError

__all__ = [
    "ModelSettings",
    "Parameter",
    "Settings",
    "build",
    "flatten",
    "parameters",
    "parse_value",
    "read_params_file",
    "split_groups",
    "take",
    "unknown_parameter",
]

Scalar = bool | int | float | str
Value = Scalar | Sequence[Scalar]
S = TypeVar("S", bound="Settings")


class Settings(BaseModel):
    """Base of every parameter class: frozen, no unknown names; a change builds a new object."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


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
        "Name of a model card; `bodyseg models list` shows them. auto: bodyseg-mobilenet-075, which comes with the "
        "package, on every machine; where another network is named, one of it whose files are here. Nothing is "
        "downloaded.",
    )
    model_path: str = start_only(
        "",
        "A model file or folder of your own, taken instead of the card's files; '' for the card's. With model auto it "
        "is recognised by itself.",
    )
    model_url: str = start_only("", "Address of a model.json to download instead of the card's; '' for the card's.")
    network: str = start_only("auto", "Network plugin that understands the model; auto: the card's.")
    engine: str = start_only(
        "auto", "Engine plugin that runs the network; auto: the fastest one installed that reads one of its files."
    )
    threads: int = start_only(
        0, "CPU threads that the engine computes with, whichever it is; 0: one per core.", ge=0, le=256
    )
    output_stride: Literal[8, 16, 32] = start_only(
        16, "Network px per output cell: 8 is finer and slower than 16. What a model offers, its card says."
    )
    quant_bytes: Literal[4, 2, 1] = start_only(
        4, "Bytes per stored weight of the published files: 4 is exact, 1 downloads a quarter."
    )


_NOUNS: Final = {
    "int": "whole number",
    "float": "number",
    "str": "text",
    "int_list": "list of whole numbers",
    "float_list": "list of numbers",
    "str_list": "list of texts",
    "bool_list": "list of true and false",
}


@dataclass(frozen=True)
class Parameter:
    """One parameter, as documentation, command line and ROS descriptors show it.

    kind: bool, int, float, str, int_list, float_list or str_list. choices: allowed values, empty if any.
    minimum, maximum: inclusive bounds, None if open.
    """

    name: str
    kind: str
    default: Any
    description: str
    live: bool
    choices: tuple[Scalar, ...] = ()
    minimum: float | None = None
    maximum: float | None = None

    @property
    def allowed(self) -> str:
        """What may be written, in words: 'one of a, b', '0 to 1', 'any text'."""
        if self.choices:
            names = "one of " + ", ".join(str(choice) for choice in self.choices)
            if self.minimum is None or self.maximum is None:
                return names
            return f"{names}, or a number from {self.minimum:g} to {self.maximum:g}"
        if self.kind == "bool":
            return "true or false"
        noun = _NOUNS[self.kind]
        if self.minimum is None and self.maximum is None:
            return f"any {noun}"
        low = "" if self.minimum is None else f"from {self.minimum:g}"
        high = "" if self.maximum is None else f"to {self.maximum:g}"
        return f"{noun} {low} {high}".replace("  ", " ").strip()


def parameters(settings: type[Settings], prefix: str = "") -> Iterator[Parameter]:
    """The parameters of a class, `prefix.` before each name where a prefix is given."""
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
            minimum=_limit(info, "ge"),
            maximum=_limit(info, "le"),
        )


def _limit(info: FieldInfo, bound: str) -> float | None:
    """A field's inclusive bound: its own, or that of the number in a union with names."""
    entries = list(info.metadata)
    for member in get_args(info.annotation):
        for constraint in getattr(member, "__metadata__", ()):
            entries += constraint.metadata
    for entry in entries:
        if getattr(entry, bound, None) is not None:
            return float(getattr(entry, bound))
    return None


def take(values: dict[str, Any], settings: type[S]) -> S:
    """Build a settings object from the values that are its parameters, and remove those from `values`."""
    own = {name: values.pop(name) for name in settings.model_fields if name in values}
    return build(settings, own)


def _kind(annotation: Any) -> tuple[str, tuple[Scalar, ...]]:
    """ROS-like type name and choices of a field's annotation."""
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
        raise SettingsError(_sentence(settings, err, prefix)) from err


def _sentence(settings: type[Settings], err: ValidationError, prefix: str) -> str:
    known = {parameter.name: parameter for parameter in parameters(settings)}
    sentences = []
    for problem in err.errors():
        name = str(problem["loc"][0]) if problem["loc"] else ""
        shown = f"{prefix}.{name}" if prefix else name
        if problem["type"] == "extra_forbidden":
            sentences.append(unknown_parameter(shown, [f"{prefix}.{key}" if prefix else key for key in known]))
        elif problem["type"] == "value_error":
            sentences.append(str(problem["ctx"]["error"]))
        else:
            allowed = problem["msg"] if problem["type"] == "allowed" else known[name].allowed
            sentence = f"Parameter {shown} is {problem['input']!r}, but it must be {allowed}."
            if sentence not in sentences:
                sentences.append(sentence)
    return " ".join(sentences)


def unknown_parameter(name: str, known: Sequence[str], whose: str = "There is") -> str:
    """The sentence for a parameter that nobody has, or that 'The model X has' not, with the nearest names."""
    near = difflib.get_close_matches(name, known, n=3)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    return f"{whose} no parameter {name!r}.{hint} `bodyseg params` lists them all."


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings to one level with dotted names, as ROS does."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{name}."))
        else:
            flat[name] = value
    return flat


def split_groups(flat: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Dotted parameters to those at the root and those of each group (the text before the first dot)."""
    root: dict[str, Any] = {}
    groups: dict[str, dict[str, Any]] = {}
    for name, value in flat.items():
        group, dot, rest = name.partition(".")
        if dot:
            groups.setdefault(group, {})[rest] = value
        else:
            root[name] = value
    return root, groups


def parse_value(text: str) -> Any:
    """A parameter written on a command line, read as ROS reads it: YAML."""
    try:
        return yaml.safe_load(text) if text.strip() else text
    except yaml.YAMLError:
        return text


def read_params_file(path: Path, node_name: str = "bodyseg", namespace: str = "/") -> dict[str, Any]:
    """Parameters for one node from a ROS 2 parameter file, dotted names.

    Sections are node names (`bodyseg`, `/robot1/bodyseg`, or namespaces that hold node names), with the
    wildcards `/**`, `/*` and `**`; later sections overrule earlier ones. A file without any
    `ros__parameters` is read as plain parameters. Raises SettingsError where the file cannot be read.
    """
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as err:
        raise SettingsError(f"The parameter file {str(path)!r} cannot be read: {err.strerror}.") from err
    except (yaml.YAMLError, UnicodeDecodeError) as err:
        raise SettingsError(f"The parameter file {str(path)!r} is not valid YAML: {err}.") from err
    if tree is None:
        return {}
    if not isinstance(tree, Mapping):
        raise SettingsError(f"The parameter file {str(path)!r} must hold names and values, not {type(tree).__name__}.")
    sections = list(_sections(tree))
    if not sections:
        return flatten(tree)
    full_name = f"{namespace.rstrip('/')}/{node_name}"
    values: dict[str, Any] = {}
    for section, body in sections:
        if _names(section, full_name):
            values.update(flatten(body))
    return values


def _sections(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(full node name, its parameters) for each `ros__parameters` in a file."""
    for key, value in tree.items():
        if not isinstance(value, Mapping):
            continue
        name = f"{prefix}/{str(key).strip('/')}"
        if isinstance(value.get("ros__parameters"), Mapping):
            yield name, value["ros__parameters"]
        yield from _sections({k: v for k, v in value.items() if k != "ros__parameters"}, name)


def _names(pattern: str, full_name: str) -> bool:
    """Whether a section's name (with `*` for one part, `**` for any number) means this node."""

    def match(want: list[str], have: list[str]) -> bool:
        if not want:
            return not have
        if want[0] == "**":
            return any(match(want[1:], have[start:]) for start in range(len(have) + 1)) or len(want) == 1
        return bool(have) and want[0] in ("*", have[0]) and match(want[1:], have[1:])

    return match(pattern.strip("/").split("/"), full_name.strip("/").split("/"))
