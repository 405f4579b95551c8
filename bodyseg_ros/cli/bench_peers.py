"""`bodyseg bench peers`: other implementations of BodyPix beside this one."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Final

import cv2
import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Column, Table

from ..engines import Engine, open_engine
from ..errors import BodysegError, SettingsError
from ..formats import ModelSource
from ..media import open_source
from ..model import Model, open_model
from ..plan import make_plan
from ..settings import Settings
from ..types import Frame, Wanted
from .bench_frames import sizes_of
from .loading import sample_photo
from .options import takes_parameters
from .peers.process import Peer

__all__ = ["bench_peers"]

_LOOPS: Final = Path(__file__).parent / "peers"
#: How long each does a task before the other's turn, and from when on runs count: a core that rested begins slowly, the
#: other may still tidy up its memory, and caches hold the other's data.
_TURN_S: Final = 0.6
_COUNT_FROM_S: Final = 0.3
_TF_BODYPIX: Final = "With Python 3.10 or older: pip install 'tf-bodypix[tf,tfjs]'"
_TFJS: Final = (
    "npm install @tensorflow-models/body-pix@2.2.1 @tensorflow/tfjs-core@4 @tensorflow/tfjs-converter@4 "
    "@tensorflow/tfjs-backend-cpu@4 @tensorflow/tfjs-backend-wasm@4"
)
#: Peer → task → what of ours gives the same as its own call for it; body-pix's calls always find poses too.
_POSES: Final = Wanted.PERSON | Wanted.POSES
_SAME: Final[Mapping[str, Mapping[str, Wanted]]] = {
    "tf-bodypix": {"mask": Wanted.PERSON, "parts": Wanted.PERSON | Wanted.PARTS},
    "tfjs": {"mask": _POSES, "parts": _POSES | Wanted.PARTS, "everyone": _POSES | Wanted.PARTS | Wanted.INSTANCES},
}


@dataclass(frozen=True)
class _Row:
    """One task on one photo, done by both in turns. our_ms, peer_ms: medians; ratio: the peer's to ours.

    our_seen, peer_seen: share of the picture that is a person. people: as many as both found, None where not asked.
    """

    photo: str
    peer: str
    task: str
    our_ms: float
    peer_ms: float
    ratio: float
    our_seen: float
    peer_seen: float
    our_people: int | None
    peer_people: int | None


@takes_parameters("model", "network", "engine")
def bench_peers(
    values: dict[str, Any],
    photos: Annotated[list[str] | None, typer.Argument(help="Photos, folders; without: a sample portrait.")] = None,
    size: Annotated[str, typer.Option(help="What every photo is resized to, WIDTHxHEIGHT px.")] = "640x480",
    tf_bodypix_python: Annotated[
        Path | None, typer.Option(help="A Python that has tf-bodypix, such as venv/bin/python.")
    ] = None,
    node_modules: Annotated[Path | None, typer.Option(help="The folder node_modules that holds body-pix.")] = None,
    runs: Annotated[int, typer.Option(min=1, help="Rounds; in each, everybody takes a turn at every task.")] = 8,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write all figures to this file.")] = None,
) -> None:
    """Time tf-bodypix and tfjs body-pix beside this one: same photos, same weights, in turns.

    Each runs in an environment of its own, in memory all the time, and answers by its own calls: tf-bodypix, on
    TensorFlow, mask and parts; body-pix, on tfjs's WebAssembly in node, mask, parts and everyone (mask and parts of
    each person), always with poses. Ours computes the same each time; the ratio is how many times as long they took.
    Example: bodyseg bench peers photo.jpg --model bodypix-mobilenet-050 --tf-bodypix-python venv/bin/python
    """
    frames = list(_frames(photos or [sample_photo()], size))
    opener, console = _Opener(), Console()
    with open_model(make_plan(values, Settings), open_engine=opener) as model, ExitStack() as stack:
        asked = {
            "weights": str(opener.tfjs().resolve()),
            "stride": opener.source.output_stride,
            "settings": model.network.settings.model_dump(),
        }
        peers = []
        for start in (partial(_tf_bodypix, tf_bodypix_python), partial(_tfjs, node_modules)):
            try:
                peers.append(stack.enter_context(start(asked)))
            except BodysegError as err:  # noqa: PERF203 - the others are timed all the same
                console.print(str(err), markup=False, soft_wrap=True, highlight=False)
        rows = [row for name, frame in frames for row in _timed(model, peers, name, frame, runs)]
        if rows:
            console.print(_table(rows, f"{model.network.card.name} on {model.engine.device}, {size}"))
    if json_file:
        json_file.write_text(json.dumps([asdict(row) for row in rows], indent=2), encoding="utf-8")


class _Opener:
    """Opens the engine that is asked for, and keeps what it was opened for."""

    source: ModelSource

    def __call__(self, name: str, source: ModelSource, settings: Mapping[str, Settings], threads: int = 0) -> Engine:
        self.source = source
        return open_engine(name, source, settings, threads)

    def tfjs(self) -> Path:
        """The network in the format both peers read. Raises SettingsError where there is none."""
        for file in (self.source, *self.source.others):
            if file.format == "tfjs" and "resnet" not in str(file.path):
                return file.path
        raise SettingsError(
            f"The peers read BodyPix's MobileNets as tfjs models, but the model is {str(self.source.path)!r}; "
            "choose such a one, as with --model bodypix-mobilenet-050."
        )


def _tf_bodypix(python: Path | None, asked: Mapping[str, Any]) -> Peer:
    """Raises BodysegError where it is not there or does not start."""
    if python is None:
        raise BodysegError(f"tf-bodypix: left out. {_TF_BODYPIX}, and name that one with --tf-bodypix-python.")
    if shutil.which(python) is None:
        raise SettingsError(f"--tf-bodypix-python is {str(python)!r}, but it must be a program that can be run.")
    return Peer("tf-bodypix", (python, _LOOPS / "tf_bodypix_loop.py"), {"TF_CPP_MIN_LOG_LEVEL": "3"}, asked)


def _tfjs(modules: Path | None, asked: Mapping[str, Any]) -> Peer:
    """Raises BodysegError where it is not there or does not start."""
    if modules is None:
        raise BodysegError(f"tfjs: left out. {_TFJS}, and name the folder node_modules with --node-modules.")
    if not (modules / "@tensorflow-models" / "body-pix").is_dir():
        raise SettingsError(f"--node-modules is {str(modules)!r}, but it must hold body-pix. {_TFJS}")
    if shutil.which("node") is None:
        raise BodysegError("tfjs: left out, as there is no program node. Install Node.js, https://nodejs.org.")
    return Peer("tfjs", ("node", _LOOPS / "tfjs_loop.js"), {"NODE_PATH": str(modules.resolve())}, asked)


def _frames(photos: list[str], size: str) -> Iterator[tuple[str, Frame]]:
    """(name, picture) of every photo, resized."""
    sizes = sizes_of(size, "--size")
    if len(sizes) != 1:
        raise SettingsError(f"--size is {size!r}, but it must be one WIDTHxHEIGHT.")
    for photo in photos:
        with open_source(photo) as source:
            for picture in source:
                resized = cv2.resize(picture.image, sizes[0], interpolation=cv2.INTER_AREA)
                yield picture.frame_id, Frame(np.asarray(resized, np.uint8))


def _timed(model: Model, peers: list[Peer], photo: str, frame: Frame, runs: int) -> Iterator[_Row]:
    """A row for every peer and task; in every round each does each, ours right before.

    Turns are of the same length, and in each a task is done again and again, as for a camera's frames.
    """
    pairs = [(peer, task) for peer in peers for task in _SAME[peer.kind]]
    ours: dict[tuple[Peer, str], list[float]] = {pair: [] for pair in pairs}
    theirs: dict[tuple[Peer, str], list[float]] = {pair: [] for pair in pairs}
    with TemporaryDirectory() as folder:
        image = Path(folder) / "picture.rgb"
        frame.image.tofile(image)
        request = {"image": str(image), "height": frame.size[0], "width": frame.size[1]}
        rounds = track(range(runs), f"{photo}, rounds", console=Console(stderr=True), transient=True)
        for _ in rounds:
            for peer, task in pairs:
                ours[peer, task] += _turn(partial(_our_ms, model, frame, _SAME[peer.kind][task]))
                theirs[peer, task] += _turn(partial(_peer_ms, peer, request | {"task": task}))
        answers = {(peer, task): peer.ask(request | {"task": task}) for peer, task in pairs}
    for peer, task in pairs:
        our_ms, peer_ms = float(np.median(ours[peer, task])), float(np.median(theirs[peer, task]))
        result, answer = model.run(frame, _SAME[peer.kind][task]), answers[peer, task]
        yield _Row(
            photo=photo,
            peer=peer.name,
            task=task,
            our_ms=our_ms,
            peer_ms=peer_ms,
            ratio=peer_ms / our_ms,
            our_seen=0.0 if result.person is None else float(np.mean(result.person)),
            peer_seen=answer["pixels"] / (frame.size[0] * frame.size[1]),
            our_people=None if answer["people"] is None or result.poses is None else len(result.poses),
            peer_people=answer["people"],
        )


def _turn(run_ms: Callable[[], float]) -> list[float]:
    """The times that count of a task done again and again, ms."""
    began, counted = time.perf_counter(), list[float]()
    while (passed := time.perf_counter() - began) < _TURN_S or not counted:
        took = run_ms()
        if passed >= _COUNT_FROM_S:
            counted.append(took)
    return counted


def _our_ms(model: Model, frame: Frame, wanted: Wanted) -> float:
    began = time.perf_counter()
    model.run(frame, wanted)
    return 1e3 * (time.perf_counter() - began)


def _peer_ms(peer: Peer, request: Mapping[str, Any]) -> float:
    return float(peer.ask(request)["ms"])


def _table(rows: list[_Row], title: str) -> Table:
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
