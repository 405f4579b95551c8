"""`bodyseg bench peers`: compare the speed of other BodyPix implementations."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table

from ..errors import BodysegError, SettingsError
from ..lab.timing_frames import read_sizes, resized
from ..lab.timing_peers import PeerTimes, SourceKeeper, start_tf_bodypix, start_tfjs, time_peers
from ..media import open_source
from ..model import open_model
from ..plan import make_plan
from ..settings import Settings
from ..types import Frame
from .model_loading import sample_photo
from .native_noise import hold_native_noise
from .parameter_flags import takes_parameters
from .reporting import shows_progress, track

__all__ = ["bench_peers"]


@shows_progress
@takes_parameters("model", "network", "engine")
def bench_peers(
    values: dict[str, Any],
    photos: Annotated[list[str] | None, typer.Argument(help="Photos or folders; default: a sample portrait.")] = None,
    size: Annotated[str, typer.Option(help="Size that photos are resized to, WIDTHxHEIGHT px.")] = "640x480",
    tf_bodypix_python: Annotated[
        Path | None, typer.Option(help="Python interpreter with tf-bodypix, such as venv/bin/python.")
    ] = None,
    node_modules: Annotated[Path | None, typer.Option(help="The node_modules folder with body-pix.")] = None,
    runs: Annotated[int, typer.Option(min=1, help="Rounds; in each, every implementation runs every task once.")] = 8,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write all results to this file.")] = None,
) -> None:
    """Compare the speed of tf-bodypix and tfjs body-pix with ours: same photos, same weights, in turns.

    Each runs in an environment of its own, in memory all the time, and answers by its own calls: tf-bodypix, on
    TensorFlow, mask and parts; body-pix, on tfjs's WebAssembly in node, mask, parts and everyone (mask and parts of
    each person), always with poses. Ours computes the same each time; the ratio is how many times as long they took.
    Example: bodyseg bench peers photo.jpg --model bodypix-mobilenet-050 --tf-bodypix-python venv/bin/python
    """
    frames = list(_frames(photos or [sample_photo()], size))
    opener, console = SourceKeeper(), Console()
    plan = make_plan(values, Settings)
    with hold_native_noise():
        model = open_model(plan, open_engine=opener)
    with model, ExitStack() as stack:
        asked = {
            "weights": str(opener.tfjs().resolve()),
            "stride": opener.source.output_stride,
            "settings": model.network.settings.model_dump(),
        }
        peers = []
        for start in (partial(start_tf_bodypix, tf_bodypix_python), partial(start_tfjs, node_modules)):
            try:
                peers.append(stack.enter_context(start(asked)))
            except BodysegError as err:  # noqa: PERF203 - the others are timed all the same
                console.print(str(err), markup=False, soft_wrap=True, highlight=False)
        rows = [row for name, frame in frames for row in time_peers(model, peers, name, frame, runs, track)]
        if rows:
            console.print(_table(rows, f"{model.network.card.name} on {model.engine.device}, {size}"))
    if json_file:
        json_file.write_text(json.dumps([asdict(row) for row in rows], indent=2), encoding="utf-8")


def _frames(photos: list[str], size: str) -> Iterator[tuple[str, Frame]]:
    """Return (name, image) of every photo, resized."""
    sizes = read_sizes(size, "--size")
    if len(sizes) != 1:
        raise SettingsError(f"--size is {size!r}, but it must be one WIDTHxHEIGHT.")
    for photo in photos:
        with open_source(photo) as source:
            for picture in source:
                yield picture.frame_id, Frame(resized(picture.image, *sizes[0]))


def _table(rows: list[PeerTimes], title: str) -> Table:
    names = ("our ms", "peer ms", "ratio", "person %", "people")
    figures = [Column(name, justify="right", no_wrap=True) for name in names]
    peers = "; ".join({row.peer: None for row in rows})
    caption = f"{peers}\nmedians; ratio: times as long as ours; person %, people: ours/theirs"
    table = Table(
        "photo", *(Column(name, no_wrap=True) for name in ("peer", "task")), *figures, title=title, caption=caption
    )
    for place, row in enumerate(rows):
        above = rows[place - 1] if place else None
        new_photo = above is None or above.photo != row.photo
        new_peer = above is None or new_photo or above.peer != row.peer
        if new_peer:
            table.add_section()
        people = "" if row.peer_people is None else f"{row.our_people}/{row.peer_people}"
        seen = f"{100 * row.our_seen:.1f}/{100 * row.peer_seen:.1f}"
        times = (f"{row.our_ms:.2f}", f"{row.peer_ms:.1f}", f"{row.ratio:.1f}")
        whose = (row.photo if new_photo else "", row.peer.partition(" ")[0] if new_peer else "")
        table.add_row(*whose, row.task, *times, seen, people)
    return table
