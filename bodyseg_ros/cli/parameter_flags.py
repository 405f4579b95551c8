"""Command-line flags for parameters, made from the settings."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ..events import EventSettings
from ..parameter_files import parse_value, read_params_file
from ..per_person import possible_parameters, stage_parameters
from ..plan import parameters_of
from ..plugins import plugin_names
from ..privacy import RecordingSettings
from ..refine import RefineSettings
from ..ros.nodes.node_settings import CameraSettings, CompositorSettings, NodeSettings, PrivacySettings
from ..settings import ModelSettings, Parameter, Settings, parameters
from ..tracking import SmoothingSettings, TrackingSettings
from .short_help import LEFT_OUT, print_everything

__all__ = ["all_parameters", "takes_parameters"]

NODES: Final[Mapping[str, type[Settings]]] = {
    "bodyseg": NodeSettings,
    "compositor": CompositorSettings,
    "camera": CameraSettings,
    "privacy_camera": PrivacySettings,
}

ParamsFile = Annotated[
    Path | None,
    typer.Option("--params", help="A ROS 2 parameter file (YAML); flags take precedence."),
]
#: A model's parameters in the short help.
_SHOWN: Final = ("model", "model_path", "engine", "threads", "output_stride")
HelpAll = Annotated[
    bool,
    typer.Option(
        "--help-all",
        is_eager=True,
        callback=print_everything,
        help="Also show the flags of networks, engines and effects, as listed by `bodyseg params`.",
    ),
]


def all_parameters() -> Iterator[tuple[str, Parameter]]:
    """(who reads it, parameter) for the model, every installed network, engine and effect, and the nodes."""
    for parameter in parameters(ModelSettings):
        yield "model", parameter
    for name in plugin_names("networks"):
        for parameter in parameters_of("networks", name):
            yield f"network {name}", parameter
    for kind in ("engines", "effects"):
        for name in plugin_names(kind):
            for parameter in parameters_of(kind, name):
                yield f"{kind[:-1]} {name}", parameter
    for parameter in parameters(RefineSettings, "refine"):
        yield "refinement", parameter
    for parameter in parameters(TrackingSettings):
        yield "tracking", parameter
    for name in plugin_names("trackers"):
        for parameter in parameters_of("trackers", name):
            yield f"tracker {name}", parameter
    for parameter in parameters(SmoothingSettings, "smoothing"):
        yield "smoothing", parameter
    for parameter in parameters(EventSettings, "events"):
        yield "events", parameter
    for parameter in stage_parameters(None):
        yield "second network", parameter
    for name, settings in NODES.items():
        for parameter in parameters(settings):
            yield f"node {name}", parameter
    for parameter in parameters(RecordingSettings):
        yield "recording", parameter


def takes_parameters(*kinds: str, own: tuple[str, ...] = ()) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command `--params FILE` and a flag per parameter; it receives them as `values`, by dotted name.

    kinds: first words of all_parameters' readers that the command has a use for: 'model', 'network', …
    own: parameters for which the command has flags of its own.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        flags = {name: flag for name, flag in _flags(kinds).items() if flag[0].name not in own}

        @functools.wraps(command)
        def run(*args: Any, **given: Any) -> None:
            values: dict[str, Any] = {}
            del given["help_all"]
            params_file = given.pop("params_file")
            if params_file is not None:
                values.update(read_params_file(params_file))
            for variable, (parameter, _) in flags.items():
                text = given.pop(variable)
                if text is not None:
                    values[parameter.name] = _read(parameter, text)
            command(*args, values=values, **given)

        signature = inspect.signature(command, eval_str=True)
        given_first = [parameter for parameter in signature.parameters.values() if parameter.name != "values"]
        keyword = inspect.Parameter.KEYWORD_ONLY
        extra = [
            inspect.Parameter("params_file", keyword, default=None, annotation=ParamsFile),
            inspect.Parameter("help_all", keyword, default=False, annotation=HelpAll),
        ]
        extra += [
            inspect.Parameter(variable, keyword, default=None, annotation=annotation)
            for variable, (_, annotation) in flags.items()
        ]
        run.__signature__ = signature.replace(parameters=given_first + extra)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in given_first + extra}
        return run

    return decorate


def _read(parameter: Parameter, text: Any) -> Any:
    """Parse a flag's value: text as is, everything else as ROS reads it."""
    is_text = parameter.kind == "str" and parameter.minimum is None
    return text if is_text or not isinstance(text, str) else parse_value(text)


def _flags(kinds: tuple[str, ...]) -> Mapping[str, tuple[Parameter, Any]]:
    """Python variable → (parameter, typer annotation); networks that share a name share a flag."""
    flags: dict[str, tuple[Parameter, Any]] = {}
    # The first type's parameters replace others of the same name, so its defaults apply.
    every = [(reader, parameter) for reader, parameter in all_parameters() if reader.split()[0] in kinds]
    if "second" in kinds:  # all_parameters has what does not depend on which network it is
        every += [("second network", parameter) for parameter in possible_parameters()]
    every.sort(key=lambda pair: pair[0].split()[0] != kinds[0])
    names: set[str] = set()
    for reader, parameter in every:
        shown = parameter.name in _SHOWN if reader == "model" else reader == "recording"
        variable = ("model_" if shown else LEFT_OUT) + parameter.name.replace(".", "__")
        if parameter.name in names:
            continue
        names.add(parameter.name)
        flag = "--" + parameter.name.replace("_", "-")
        kind: Any = str
        if parameter.kind == "bool":
            kind, flag = bool, f"{flag}/--no-{parameter.name.replace('_', '-')}"
        facts = [] if parameter.allowed == "a string" else [parameter.allowed]
        facts += [] if parameter.default == "" else [f"default: {parameter.default}"]
        text = f"{parameter.description} [{'; '.join(facts)}]" if facts else parameter.description
        option = typer.Option(flag, help=text.replace("[", "\\["), rich_help_panel=_panel(reader), show_default=False)
        flags[variable] = parameter, Annotated[kind | None, option]
    return flags


def _panel(reader: str) -> str:
    return reader.capitalize()
