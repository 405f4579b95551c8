"""Command lines that are read and not run."""

from __future__ import annotations

import click
import typer

from bodyseg_ros.cli.main import app


def read_command(words: list[str]) -> None:
    """Parse a command line as the command itself would, without running it. Raises click.UsageError."""
    group = typer.main.get_command(app)
    context = click.Context(group, info_name="bodyseg")
    name, command, rest = group.resolve_command(context, words)
    while isinstance(command, click.Group) or hasattr(command, "commands"):
        inner = click.Context(command, info_name=name, parent=context)
        name, command, rest = command.resolve_command(inner, rest)
    command.make_context(name, rest, parent=context)
