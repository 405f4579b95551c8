"""`bodyseg params`: print every parameter."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from ..settings import Parameter
from .parameter_flags import all_parameters

__all__ = ["markdown", "params", "print_text"]

_HEADING = """# Parameters

Made by `bodyseg params --format markdown`. The same names are flags of the command (`--segmentation-threshold 0.5`,
`--tensorflow.device cpu`), entries of a parameter file, and ROS 2 parameters. Live ones may change while a node runs
and take effect with the next frame; the others are read when it starts.
"""


def params(
    word: Annotated[str, typer.Argument(help="Show only parameters that contain this text.")] = "",
    output: Annotated[str, typer.Option("--format", help="Output format: text, markdown or json.")] = "text",
) -> None:
    """Print every parameter: type, allowed values, default, meaning.

    The same names work as flags (`--segmentation-threshold 0.5`), in parameter files and as ROS 2 parameters.

    Example: bodyseg params threshold
    """
    chosen = [(reader, parameter) for reader, parameter in all_parameters() if word in parameter.name]
    if output == "json":
        rows = [{"reader": reader, **parameter.__dict__} for reader, parameter in chosen]
        typer.echo(json.dumps(rows, indent=2))
    elif output == "markdown":
        typer.echo(markdown(chosen), nl=False)
    elif output == "text":
        print_text(chosen)
    else:
        raise typer.BadParameter(f"--format is {output!r}, but it must be text, markdown or json.")


def markdown(chosen: list[tuple[str, Parameter]]) -> str:
    """Format the parameters for the documentation, one table per reader."""
    lines = _HEADING.splitlines()
    last = ""
    for reader, parameter in chosen:
        if reader != last:
            lines += ["", f"### {reader.capitalize()}", "", "| parameter | allowed | default | live | meaning |"]
            lines += ["|---|---|---|---|---|"]
            last = reader
        live = "yes" if parameter.live else "no"
        default = json.dumps(parameter.default)
        lines.append(f"| `{parameter.name}` | {parameter.allowed} | `{default}` | {live} | {parameter.description} |")
    return "\n".join(lines) + "\n"


def print_text(chosen: list[tuple[str, Parameter]]) -> None:
    """Print parameters for a terminal, grouped by reader."""
    console = Console(highlight=False)
    last = ""
    for reader, parameter in chosen:
        if reader != last:
            console.print(f"\n{reader}", style="bold underline")
            last = reader
        when = "live" if parameter.live else "read at start"
        head = Text.assemble((f"  {parameter.name}", "bold cyan"), f" = {json.dumps(parameter.default)}")
        console.print(head.append(f"   {parameter.allowed}; {when}", "dim"))
        console.print(Padding(parameter.description, (0, 0, 0, 6)))
