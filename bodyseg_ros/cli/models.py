"""`bodyseg models`: which networks there are, where their files are, and whether they are whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import TransferSpeedColumn
from rich.table import Table

from ..catalog import Card, Located, cache_folder, card_names, check_files, find_model, load_card, locate
from ..errors import ModelError
from ..settings import ModelSettings, build

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    help="The networks that can be used: what they are, where their files lie, download and check.\n\n"
    "A model is found in the folders of $BODYSEG_MODEL_PATH, in the package, or in the cache; else it is downloaded.\n\n"
    "Example: bodyseg models download bodypix-mobilenet-050",
)

_Name = Annotated[str, typer.Argument(help="Name of a model, as `bodyseg models list` shows it.")]


def _console() -> Console:
    """Made when used: standard output may be another one by then."""
    return Console()


def _variants(card: Card) -> Iterator[tuple[int, int]]:
    """(output stride, quant bytes) of all a card offers."""
    return ((stride, quant) for stride in card.output_strides for quant in card.quant_bytes)


def _here(card: Card) -> list[tuple[int, int, Located]]:
    """The variants whose files are on this machine."""
    found = ((stride, quant, locate(card, stride, quant)) for stride, quant in _variants(card))
    return [(stride, quant, located) for stride, quant, located in found if located]


def _numbers(values: tuple[int, ...]) -> str:
    return " ".join(str(value) for value in values)


@app.command("list")
def list_models() -> None:
    """All models, with what they offer and where their files are.

    Strides: network px per output cell, smaller is finer and slower. Bytes: of a stored weight, 4 is exact and
    1 a quarter of the download. Where: found (in $BODYSEG_MODEL_PATH), shipped, cached, or – if not here yet.

    Example: bodyseg models list
    """
    console = _console()
    table = Table("Name", "Network", "Strides", "Bytes", "Licence", "Where")
    broken = []
    for name in card_names():
        try:
            card = load_card(name)
            places = sorted({located.place for *_, located in _here(card)})
        except ModelError as err:
            broken.append(str(err))
            continue
        where = ", ".join(places) or "–"
        table.add_row(
            name, card.network, _numbers(card.output_strides), _numbers(card.quant_bytes), card.licence, where
        )
    console.print(table)
    for sentence in broken:
        console.print(sentence, style="red", markup=False)
    if broken:
        raise typer.Exit(1)


@app.command()
def info(name: _Name) -> None:
    """All that is known of one model, and where each variant of it is or would be downloaded from.

    Example: bodyseg models info bodypix-mobilenet-075
    """
    card = load_card(name)
    console = _console()
    facts = Table(show_header=False, box=None)
    for label, value in (
        ("Name", card.name),
        ("Title", card.title),
        ("Network", card.network),
        ("Format", card.format),
        ("Licence", card.licence),
        ("Paper", card.paper or "–"),
        ("Note", card.note or "–"),
        ("Tensor", f"image × {list(card.preprocessing.scale)} + {list(card.preprocessing.offset)}"),
        ("Input", card.input),
        *((f"Head {head}", tensor) for head, tensor in card.outputs.items()),
        ("Cache", str(cache_folder() / card.name)),
    ):
        facts.add_row(label, value)
    console.print(facts)
    table = Table("Stride", "Bytes", "Where", "File or address")
    for stride, quant in _variants(card):
        located = locate(card, stride, quant)
        address = f"{card.folder_address(quant)}{card.file_name(stride)}" if card.source else "no public address"
        row = (located.place, str(located.index)) if located else ("–", address)
        table.add_row(str(stride), str(quant), *row)
    console.print(table)


@app.command()
def download(
    name: _Name,
    output_stride: Annotated[
        int, typer.Option(help="Network px per output cell.")
    ] = ModelSettings.model_fields["output_stride"].default,
    quant_bytes: Annotated[
        int, typer.Option(help="Bytes per stored weight.")
    ] = ModelSettings.model_fields["quant_bytes"].default,
    everything: Annotated[bool, typer.Option("--all", help="Every stride and precision of the model.")] = False,
) -> None:
    """Bring a model's files into the cache, so that later runs need no network.

    A download that was cut goes on where it ended. Files that are here already are not fetched again.

    Example: bodyseg models download bodypix-resnet50 --output-stride 32 --quant-bytes 2
    """
    wanted = _variants(load_card(name)) if everything else [(output_stride, quant_bytes)]
    for stride, quant in wanted:
        settings = build(ModelSettings, {"model": name, "output_stride": stride, "quant_bytes": quant})
        with _Bar() as bar:
            _, source = find_model(settings, bar)
        _console().print(f"stride {stride}, {quant} bytes: {source.path}", soft_wrap=True, markup=False, highlight=False)


class _Bar:
    """A progress bar per file, on standard error; nothing is drawn where nothing is downloaded."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        self._progress = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True))
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, name: str, done: int, total: int | None) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name)
        self._progress.update(self._tasks[name], completed=done, total=total)


_STATES = {
    "published": "as published",
    "recorded": "as first downloaded",
    "unknown": "no checksum known",
    "changed": "CHANGED",
    "missing": "MISSING",
}


@app.command()
def verify(
    name: Annotated[str, typer.Argument(help="Name of a model; all that are here if left out.")] = "",
) -> None:
    """Compare the files that are here with their published or recorded checksums; exit status 1 if one differs.

    Example: bodyseg models verify bodypix-mobilenet-050
    """
    console = _console()
    table = Table("Model", "File", "State")
    problems: dict[str, None] = {}
    for card_name in [name] if name else card_names():
        try:
            checks = _checks(load_card(card_name))
        except ModelError as err:
            problems[str(err)] = None
            continue
        if name and not checks:
            problems[f"The model {name!r} is not on this machine; `bodyseg models download {name}` brings it."] = None
        for path, (state, problem) in checks.items():
            table.add_row(card_name, path, _STATES[state])
            if problem:
                problems[problem] = None
    console.print(table if table.row_count else "There are no model files here to verify.")
    for sentence in problems:
        console.print(sentence, style="red", markup=False, soft_wrap=True)
    if problems:
        raise typer.Exit(1)


def _checks(card: Card) -> dict[str, tuple[str, str]]:
    """File → (state, problem), of all variants here; a file that several of them share stands once."""
    return {
        str(check.path): (check.state, check.problem)
        for _, quant, located in _here(card)
        for check in check_files(located.index, card.known_sha256(quant))
    }
