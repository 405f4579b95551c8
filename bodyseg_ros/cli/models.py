"""`bodyseg models`: list, find, download, verify and inspect networks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from ..catalog import Card, FileCheck, Located, card_names, check_files, find_model, load_card, locate
from ..errors import ModelError
from ..settings import ModelSettings, build
from .convert import convert
from .inspect import inspect
from .model_loading import DownloadBar
from .reporting import AsJson, print_json, shows_progress, track

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    help="List, download and verify networks.\n\n"
    "A model is found in the folders of $BODYSEG_MODEL_PATH, in the package or in the cache; "
    "else it is downloaded.\n\n"
    "Example: bodyseg models download bodypix-mobilenet-050",
)

app.command()(convert)
app.command()(inspect)

_DEFAULTS = ModelSettings()
_NO_FILES = "The model {!r} needs no files."
_Name = Annotated[str, typer.Argument(help="Name of a model, as `bodyseg models list` shows it.")]


def _variants(card: Card) -> Iterator[tuple[int, int]]:
    """All (output stride, quant bytes) of a card."""
    strides = card.output_strides or (_DEFAULTS.output_stride,)
    return ((stride, quant) for stride in strides for quant in card.quant_bytes)


def _here(card: Card) -> list[tuple[int, int, Located]]:
    """Variants whose files are on this machine."""
    found = ((stride, quant, locate(card, stride, quant)) for stride, quant in _variants(card))
    return [(stride, quant, located) for stride, quant, located in found if located]


def _shown(value: object) -> str:
    """Format a card's field for a table cell."""
    if isinstance(value, dict):
        return "\n".join(f"{key}: {_shown(inner)}" for key, inner in value.items())
    if isinstance(value, tuple):
        return " ".join(_shown(inner) for inner in value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


@app.command("list")
def list_models(
    as_json: AsJson = False,
) -> None:
    """List all models, what each is good for, and where its files are.

    Where: found (in $BODYSEG_MODEL_PATH), shipped, cached, or – if not downloaded yet. `bodyseg models info NAME`
    prints a model's license, strides, precisions and addresses.

    Example: bodyseg models list
    """
    console = Console(stderr=as_json)
    table = Table(Column("Name", no_wrap=True), "Good for", "Where")
    broken, rows = [], []
    for name in card_names():
        try:
            card = load_card(name)
            places = sorted({located.place for *_, located in _here(card)})
        except ModelError as err:
            broken.append(str(err))
            continue
        rows.append({"name": name, "good_for": card.good_for, "places": places})
        where = ", ".join(places) or ("needs none" if card.format == "none" else "–")
        table.add_row(name, card.good_for, where)
    if as_json:
        print_json(rows)
    else:
        console.print(table)
    _complain(console, broken)


@app.command()
def info(name: _Name) -> None:
    """Show a model's card, and the place or URL of each variant.

    Example: bodyseg models info bodypix-mobilenet-075
    """
    card = load_card(name)
    console = Console()
    facts = Table(show_header=False, box=None)
    for field, value in card.model_dump().items():
        if value:
            facts.add_row(field, _shown(value))
    console.print(facts)
    table = Table("Stride", "Bytes", "Where", Column("File or address", overflow="fold"))
    for stride, quant in _variants(card):
        located = locate(card, stride, quant)
        address = (
            f"{card.folder_address(quant)}{card.file_name(stride)}{card.query}" if card.source else "no public address"
        )
        row = (located.place, str(located.index)) if located else ("–", address if card.source else "no public address")
        table.add_row(str(stride), str(quant), *row)
    console.print(table)


@app.command()
@shows_progress
def download(
    name: _Name,
    output_stride: Annotated[
        int, typer.Option(help="Network px per output cell: 8, 16 or 32; smaller is finer and slower.")
    ] = _DEFAULTS.output_stride,
    quant_bytes: Annotated[
        int, typer.Option(help="Bytes per weight: 4 is exact, 2 and 1 download less.")
    ] = _DEFAULTS.quant_bytes,
    everything: Annotated[bool, typer.Option("--all", help="Every stride and precision of the model.")] = False,
    as_json: AsJson = False,
) -> None:
    """Download a model's files into the cache, for later runs offline.

    Resumes interrupted downloads and skips existing files.

    Example: bodyseg models download bodypix-resnet50 --output-stride 32 --quant-bytes 2
    """
    card = load_card(name)
    if card.format == "none":
        if as_json:
            print_json([])
        else:
            typer.echo(_NO_FILES.format(name))
        return
    wanted = _variants(card) if everything else [(output_stride, quant_bytes)]
    files = []
    for stride, quant in wanted:
        settings = build(ModelSettings, {"model": name, "output_stride": stride, "quant_bytes": quant})
        with DownloadBar() as bar:
            _, source = find_model(card, settings, bar)
        files.append({"output_stride": stride, "quant_bytes": quant, "path": str(source.path)})
        if not as_json:
            typer.echo(f"stride {stride}, {quant} bytes: {source.path}")
    if as_json:
        print_json(files)


_STATES = {
    "published": "as published",
    "recorded": "as first downloaded",
    "unknown": "no checksum known",
    "changed": "not as published or first downloaded",
    "missing": "missing",
}


@app.command()
@shows_progress
def verify(
    name: Annotated[str, typer.Argument(help="Name of a model; default: all local ones.")] = "",
) -> None:
    """Compare local files with their published or recorded checksums; exit status 1 on a mismatch.

    Files in the folders of $BODYSEG_MODEL_PATH are your own and may differ from the published ones.

    Example: bodyseg models verify bodypix-mobilenet-050
    """
    console = Console()
    table = Table("Model", Column("File", overflow="fold"), "State")
    problems = []
    for card_name in track([name] if name else card_names(), "models"):
        try:
            checks = _checks(load_card(card_name))
        except ModelError as err:
            problems.append(str(err))
            continue
        if name and load_card(name).format == "none":
            console.print(_NO_FILES.format(name), soft_wrap=True)
            return
        if name and not checks:
            problems.append(f"The model {name!r} is not on this machine; `bodyseg models download {name}` brings it.")
        for check, own in checks.values():
            table.add_row(card_name, str(check.path), _STATES[check.state])
            if check.problem and not (own and check.state == "changed"):
                problems.append(check.problem)
    console.print(table if table.row_count else "There are no model files here to verify.")
    _complain(console, problems)


def _checks(card: Card) -> dict[Path, tuple[FileCheck, bool]]:
    """Map each file to its check and whether it is the user's own; files shared by variants appear once."""
    checks: dict[Path, tuple[FileCheck, bool]] = {}
    for _, quant, located in _here(card):
        for check in check_files(located.index, card.known_sha256(quant)):
            checks.setdefault(check.path, (check, located.place == "found"))
    return checks


def _complain(console: Console, problems: list[str]) -> None:
    for sentence in problems:
        console.print(sentence, style="red", markup=False, soft_wrap=True)
    if problems:
        raise typer.Exit(1)
