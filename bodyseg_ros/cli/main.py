"""The `bodyseg` command."""

from __future__ import annotations

import logging
import os
import sys
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperGroup

from .. import __version__
from ..allocation import keep_freed_memory
from ..errors import BodysegError
from .error_output import INTERRUPTED, LineHandler, complain
from .native_noise import mute_native_logs
from .short_help import ShortHelpCommand

__all__ = ["COMMANDS", "app", "main"]

_SEE, _WEIGHTS, _ROS = "Find people", "Models, measuring and training", "ROS 2"
#: Command → its module (and function, or its `app`), its section of the help, and its line there. Only the chosen
#: module is imported.
COMMANDS: Final = {
    "run": ("run:run", _SEE, "Find people in photos, folders, videos, a camera or a ROS 2 bag."),
    "web": ("web:web", _SEE, "Show a camera, video, photo or topic on a page in the browser."),
    "anonymize": ("anonymize:anonymize", _SEE, "Cover the people in bags, videos and photos."),
    "demo": ("demo:demo", _SEE, "Run camera, node and recorder together on this machine, over ROS 2 topics."),
    "effects": ("effects:app", _SEE, "List the effects, show one, make a gallery."),
    "doctor": ("doctor:doctor", _SEE, "Say what works on this machine, and how to mend what does not."),
    "params": ("params:params", _SEE, "Print every parameter: type, allowed values, default, meaning."),
    "models": ("models:app", _WEIGHTS, "List, download, verify, inspect and convert networks."),
    "eval": ("evaluate:evaluate", _WEIGHTS, "Measure models on labeled photos: table, JSON, plots."),
    "sheet": ("sheet:sheet", _WEIGHTS, "Show a model's masks, parts and skeletons on many photos in one image."),
    "train": ("train:train", _WEIGHTS, "Train a network on your own photos."),
    "train harmony": ("train_harmony:train_harmony", _WEIGHTS, "Train a network for the effect harmonize."),
    "export": ("export:export", _WEIGHTS, "Write a trained network as tfjs, tflite, ONNX or SavedModel, and check it."),
    "bench": ("bench:bench", _WEIGHTS, "Time the network and every other step."),
    "bench engines": ("bench_engines:bench_engines", _WEIGHTS, "Time the network by engine and input size."),
    "bench peers": ("bench_peers:bench_peers", _WEIGHTS, "Compare the speed of other BodyPix implementations."),
    "node": ("node:node", _ROS, "Run the node bodyseg, with or without a ROS installation."),
    "camera": ("node:camera", _ROS, "Run the node camera: publish a photo, folder, video or webcam."),
    "privacy-camera": ("node:privacy_camera", _ROS, "Run the node privacy_camera: a camera that covers people."),
    "compositor": ("node:compositor", _ROS, "Run the node compositor: apply effects to an image and its mask."),
    "topics": ("topics:topics", _ROS, "List topics: types, rates, QoS mismatches."),
}
_TO_ROS: Final = ("node", "camera", "privacy-camera", "compositor", "topics")
_HELP: Final = """Find people in images: masks, 24 body parts, several people and their poses.

Start with: bodyseg run photo.jpg --out out"""


class _Commands(TyperGroup):
    """The commands of the table; only the chosen one is imported, the help lists the others."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Import the command named by the first one or two words; suggest the nearest for an unknown one."""
        for words in (2, 1):
            name = " ".join(args[:words])
            if name in COMMANDS:
                return name, _load(name), args[words:]
        return super().resolve_command(ctx, args)


def _load(name: str) -> Any:
    module, _, attribute = COMMANDS[name][0].partition(":")
    command = getattr(import_module(f".{module}", __package__), attribute)
    if not isinstance(command, typer.Typer):
        holder = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="markdown")
        # Options unknown to typer are passed on to ROS where the command allows it.
        unknown = {"allow_extra_args": True, "ignore_unknown_options": True} if name in _TO_ROS else {}
        holder.command(name, cls=ShortHelpCommand, context_settings=unknown)(command)
        command = holder
    return typer.main.get_command(command)


app = typer.Typer(
    cls=_Commands,
    name="bodyseg",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=_HELP,
)


def _stand_in() -> None:
    """Help entry of a command that is not imported."""


for _name, (_, _panel, _line) in COMMANDS.items():
    app.command(_name, help=_line, rich_help_panel=_panel)(_stand_in)


def _print_version(wanted: bool) -> None:
    if not wanted:
        return
    typer.echo(f"bodyseg_ros {__version__}")
    raise typer.Exit


@app.callback()
def _options(
    verbose: bool = typer.Option(False, "--verbose", "-v", help="Log each step."),
    show_version: bool = typer.Option(
        False, "--version", is_eager=True, callback=_print_version, help="Print the version and exit."
    ),
) -> None:
    if not verbose:
        mute_native_logs()
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, handlers=[LineHandler()])


def main() -> None:
    """Run the command. Errors end it with a sentence and status 1, Ctrl-C with 130."""
    keep_freed_memory()
    status: Any = 1
    try:
        try:
            app(prog_name="bodyseg")
        except SystemExit as end:
            status = end.code
        sys.stdout.flush()
    except BodysegError as err:
        complain(str(err))
    except KeyboardInterrupt:
        status = INTERRUPTED
    except OSError as err:
        status = 1
        complain(_what_failed(err))
        _give_output_up()
    sys.exit(status)


def _what_failed(err: OSError) -> str:
    """'No space left on device', with the file where there is one."""
    reason = err.strerror or str(err)
    return f"{str(err.filename)!r}: {reason}." if err.filename else f"The output cannot be written: {reason}."


def _give_output_up() -> None:
    """Drop output that could not be written, so that Python does not try again at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


if __name__ == "__main__":
    main()
