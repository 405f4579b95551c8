"""`bodyseg params`: every parameter there is."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ..settings import Parameter
from .options import all_parameters

__all__ = ["params"]


def params(
    word: Annotated[str, typer.Argument(help="Only parameters that hold this text.")] = "",
    output: Annotated[str, typer.Option("--format", help="How to print: table, markdown or json.")] = "table",
) -> None:
    """Print every parameter: type, what is allowed, default, meaning.

    The same names work as flags (`--segmentation-threshold 0.5`), in parameter files and as ROS 2 parameters.
    """
    chosen = [(reader, parameter) for reader, parameter in all_parameters() if word in parameter.name]
    if output == "json":
        rows = [{"reader": reader, **parameter.__dict__} for reader, parameter in chosen]
        typer.echo(json.dumps(rows, indent=2))
    elif output == "markdown":
        typer.echo(markdown(chosen))
    elif output == "table":
        _print_table(chosen)
    else:
        raise typer.BadParameter(f"--format is {output!r}, but it must be table, markdown or json.")


def markdown(chosen: list[tuple[str, Parameter]]) -> str:
    """The parameters as the documentation shows them, one table per reader."""
    lines: list[str] = []
    last = ""
    for reader, parameter in chosen:
        if reader != last:
            lines += ["", f"### {reader.capitalize()}", "", "| parameter | allowed | default | live | meaning |"]
            lines += ["|---|---|---|---|---|"]
            last = reader
        live = "yes" if parameter.live else "no"
        default = json.dumps(parameter.default)
        lines.append(f"| `{parameter.name}` | {parameter.allowed} | `{default}` | {live} | {parameter.description} |")
    return "\n".join(lines).strip()


def _print_table(chosen: list[tuple[str, Parameter]]) -> None:
    table = Table("parameter", "of", "allowed", "default", "live", "meaning", row_styles=["", "dim"])
    for reader, parameter in chosen:
        live = "yes" if parameter.live else "at start"
        table.add_row(
            parameter.name, reader, parameter.allowed, json.dumps(parameter.default), live, parameter.description
        )
    Console().print(table)
