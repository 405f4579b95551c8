"""The `bodyseg` command."""

from __future__ import annotations

import logging
import sys

import typer
from rich.console import Console
from rich.logging import RichHandler

from ..errors import BodysegError
from . import bench, evaluate, models, params, run

__all__ = ["app", "main"]

app = typer.Typer(
    name="bodyseg",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="See people in pictures: masks, 24 body parts, several people and their poses.\n\n"
    "Start with: bodyseg run photo.jpg --out out",
)
app.command("run")(run.run)
app.command("params")(params.params)
app.command("bench")(bench.bench)
app.command("eval")(evaluate.evaluate)
app.add_typer(models.app, name="models")


@app.callback()
def _options(
    verbose: bool = typer.Option(False, "--verbose", "-v", help="Say what is going on, step by step."),
) -> None:
    console = Console(stderr=True)
    handler = RichHandler(console=console, show_path=False, show_time=False, rich_tracebacks=False)
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(message)s", handlers=[handler])


def main() -> None:
    """Run the command; an error raised on purpose ends it with its sentence and status 1."""
    try:
        app()
    except BodysegError as err:
        Console(stderr=True, soft_wrap=True).print(f"bodyseg: {err}", style="red", markup=False, highlight=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
