"""How commands report: progress and remarks on standard error, results on standard output, as JSON if asked for."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, Final, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import track as rich_track

__all__ = ["AsJson", "count", "print_json", "progress_bar", "progress_console", "shows_progress", "track"]

T = TypeVar("T")
AsJson = Annotated[bool, typer.Option("--json", help="Print the results as JSON on standard output.")]
_Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors and results only: no progress, no remarks.")]

#: Progress and remarks of every command. Errors are printed by `complain`.
progress_console: Final = Console(stderr=True, soft_wrap=True, highlight=False)


def shows_progress(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command `--quiet`, which silences `progress_console`."""

    @functools.wraps(command)
    def run(*args: Any, quiet: bool = False, **given: Any) -> None:
        progress_console.quiet = quiet
        command(*args, **given)

    signature = inspect.signature(command, eval_str=True)
    quiet = inspect.Parameter("quiet", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=_Quiet)
    every = [*signature.parameters.values(), quiet]
    run.__signature__ = signature.replace(parameters=every)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in every}
    return run


def progress_bar(*facts: ProgressColumn) -> Progress:
    """Bars with name, done of total, facts, and the time left."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), *facts, TimeRemainingColumn()
    return Progress(*columns, console=progress_console)


def track(items: Sequence[T], what: str = "rounds") -> Iterable[T]:
    """Iterate with a progress bar that disappears at the end."""
    return rich_track(items, what, console=progress_console, transient=True)


def count(number: int, what: str) -> str:
    """'1 frame', '2 frames'."""
    return f"{number} {what}{'s' * (number != 1)}"


def print_json(content: Any) -> None:
    """Print a command's results on standard output."""
    typer.echo(json.dumps(content, indent=2))
