"""The `bodyseg` command."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

import typer
from rich.console import Console
from rich.logging import RichHandler

from ..allocation import keep_freed_memory
from ..errors import BodysegError

__all__ = ["build_app", "main"]

#: Command → its module (and function, or its `app`), its line in the help. Only the chosen one is imported.
_COMMANDS: Final = {
    "run": ("run:run", "See the people in photos, folders, videos, a camera or a ROS 2 bag."),
    "demo": ("demo:demo", "Show the whole way on this machine: camera, node and recorder on ROS 2 topics."),
    "effects": ("effects:app", "What can be made of a picture and its people: list, an example of each, a gallery."),
    "params": ("params:params", "Print every parameter: type, what is allowed, default, meaning."),
    "models": ("models:app", "Networks that can be used: what they are, where they are; download, verify, inspect."),
    "eval": ("evaluate:evaluate", "Measure models on labelled photos, and against each other: a table, JSON, plots."),
    "sheet": ("sheet:sheet", "One picture of a model's masks, parts and skeletons on a folder of photos."),
    "train": ("train:train", "Train a network on photos of one's own, as a configuration says."),
    "export": ("export:export", "Write a trained network as tfjs, tflite, ONNX or SavedModel, and check the file."),
    "bench": ("bench:bench", "Time the bare network and everything around it, in one run."),
    "bench engines": ("bench_engines:bench_engines", "Time the bare network, by engine and input size."),
    "bench peers": ("bench_peers:bench_peers", "Time other implementations of BodyPix beside this one, in turns."),
    "node": ("node:node", "Run the ROS 2 node bodyseg, with or without a ROS installation."),
    "camera": ("node:camera", "Run the ROS 2 node camera: a photo, folder, video or webcam on topics."),
    "privacy-camera": ("node:privacy_camera", "Run the ROS 2 node privacy_camera: a camera that covers people."),
    "compositor": ("node:compositor", "Run the ROS 2 node compositor: image and mask to a picture."),
    "topics": ("topics:topics", "What is on the ROS 2 graph: names, types, rates, QoS that does not match."),
}
_TO_ROS: Final = ("node", "camera", "privacy-camera", "compositor", "topics")
_HELP: Final = """See people in pictures: masks, 24 body parts, several people and their poses.

Start with: bodyseg run photo.jpg --out out"""


def build_app(words: Sequence[str]) -> typer.Typer:
    """The command line for these words; commands that they do not choose stand in the help alone."""
    app = typer.Typer(
        name="bodyseg",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        help=_HELP,
    )
    app.callback()(_options)
    chosen = next(iter(named := [word for word in words if not word.startswith("-")]), "")
    chosen = two if (two := " ".join(named[:2])) in _COMMANDS else chosen
    for name, (place, line) in _COMMANDS.items():
        if name != chosen:
            app.command(name, help=line)(_not_chosen)
            continue
        module, _, attribute = place.partition(":")
        command = getattr(import_module(f".{module}", __package__), attribute)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            # What typer does not know goes on to ROS, where the command passes it on.
            unknown = {"allow_extra_args": True, "ignore_unknown_options": True} if name in _TO_ROS else {}
            group, _, last = name.rpartition(" ")
            holder = typer.Typer(help=line) if group else app
            holder.command(last, context_settings=unknown)(command)
            if group:
                holder.callback()(_not_chosen)  # or typer makes the group's only command the group itself
                app.add_typer(holder, name=group)
    return app


def _not_chosen() -> None:
    """Stand in for a command in the help."""


def _options(
    verbose: bool = typer.Option(False, "--verbose", "-v", help="Say what is going on, step by step."),
) -> None:
    console = Console(stderr=True)
    handler = RichHandler(console=console, show_path=False, show_time=False, rich_tracebacks=False)
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(message)s", handlers=[handler])


def main() -> None:
    """Run the command; an error raised on purpose ends it with its sentence and status 1."""
    keep_freed_memory()
    try:
        build_app(sys.argv[1:])()
    except BodysegError as err:
        Console(stderr=True, soft_wrap=True).print(f"bodyseg: {err}", style="red", markup=False, highlight=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
