"""Time other implementations of BodyPix against this one, in turns."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np

from ..engines import Engine, open_engine
from ..errors import BodysegError, SettingsError
from ..formats import ModelSource
from ..model import Model
from ..settings import Settings
from ..types import Frame, Wanted
from .peers.peer import Peer

__all__ = ["PeerTimes", "SourceKeeper", "start_tf_bodypix", "start_tfjs", "time_peers"]

_LOOPS: Final = Path(__file__).parent / "peers"
#: Duration of each turn, and from when on runs count: a core that was idle starts slowly, the other program may still
#: tidy up its memory, and caches hold the other's data.
_TURN_S: Final = 0.6
_COUNT_FROM_S: Final = 0.3
_TF_BODYPIX: Final = "With Python 3.10 or older: pip install 'tf-bodypix[tf,tfjs]'"
_TFJS: Final = (
    "npm install @tensorflow-models/body-pix@2.2.1 @tensorflow/tfjs-core@4 @tensorflow/tfjs-converter@4 "
    "@tensorflow/tfjs-backend-cpu@4 @tensorflow/tfjs-backend-wasm@4"
)
#: Peer → task → our call with the same result. body-pix's own calls always compute poses too.
_POSES: Final = Wanted.PERSON | Wanted.POSES
_SAME: Final[Mapping[str, Mapping[str, Wanted]]] = {
    "tf-bodypix": {"mask": Wanted.PERSON, "parts": Wanted.PERSON | Wanted.PARTS},
    "tfjs": {"mask": _POSES, "parts": _POSES | Wanted.PARTS, "everyone": _POSES | Wanted.PARTS | Wanted.INSTANCES},
}


@dataclass(frozen=True)
class PeerTimes:
    """One task on one photo, done by both in turns.

    our_ms, peer_ms: medians; ratio: the peer's to ours. our_seen, peer_seen: share of person pixels. people: number of
    people if both agree, None if not asked.
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


class SourceKeeper:
    """Opens the requested engine and remembers its arguments."""

    source: ModelSource

    def __call__(self, name: str, source: ModelSource, settings: Mapping[str, Settings], threads: int = 0) -> Engine:
        """Open the requested engine."""
        self.source = source
        return open_engine(name, source, settings, threads)

    def tfjs(self) -> Path:
        """Find the network in the format that both peers read. Raises SettingsError if there is none."""
        for file in (self.source, *self.source.others):
            if file.format == "tfjs" and "resnet" not in str(file.path):
                return file.path
        raise SettingsError(
            f"The peers read BodyPix's MobileNets as tfjs models, but the model is {str(self.source.path)!r}; "
            "choose one, as with --model bodypix-mobilenet-050."
        )


def start_tf_bodypix(python: Path | None, asked: Mapping[str, Any]) -> Peer:
    """Start tf-bodypix in another Python. Raises BodysegError if it is missing or does not start."""
    if python is None:
        raise BodysegError(f"tf-bodypix: skipped. {_TF_BODYPIX}, and set --tf-bodypix-python.")
    if shutil.which(python) is None:
        raise SettingsError(f"--tf-bodypix-python is {str(python)!r}, but it must be an executable.")
    return Peer("tf-bodypix", (python, _LOOPS / "tf_bodypix_loop.py"), {"TF_CPP_MIN_LOG_LEVEL": "3"}, asked)


def start_tfjs(modules: Path | None, asked: Mapping[str, Any]) -> Peer:
    """Start tfjs body-pix in node. Raises BodysegError if it is missing or does not start."""
    if modules is None:
        raise BodysegError(f"tfjs: skipped. {_TFJS}, and set --node-modules to the node_modules folder.")
    if not (modules / "@tensorflow-models" / "body-pix").is_dir():
        raise SettingsError(f"--node-modules is {str(modules)!r}, but it must contain body-pix. {_TFJS}")
    if shutil.which("node") is None:
        raise BodysegError("tfjs: skipped, because node is not installed. Install Node.js, https://nodejs.org.")
    return Peer("tfjs", ("node", _LOOPS / "tfjs_loop.js"), {"NODE_PATH": str(modules.resolve())}, asked)


def time_peers(
    model: Model,
    peers: list[Peer],
    photo: str,
    frame: Frame,
    runs: int,
    show: Callable[[Sequence[int], str], Iterable[int]],
) -> Iterator[PeerTimes]:
    """One row per peer and task; in every round each does each task, ours directly before the peer's.

    Turns have equal length; within a turn the task is repeated, as for a camera's frames. show: draws the rounds'
    progress.
    """
    pairs = [(peer, task) for peer in peers for task in _SAME[peer.kind]]
    ours: dict[tuple[Peer, str], list[float]] = {pair: [] for pair in pairs}
    theirs: dict[tuple[Peer, str], list[float]] = {pair: [] for pair in pairs}
    with TemporaryDirectory() as folder:
        image = Path(folder) / "picture.rgb"
        frame.image.tofile(image)
        request = {"image": str(image), "height": frame.size[0], "width": frame.size[1]}
        for _ in show(range(runs), f"{photo}, rounds"):
            for peer, task in pairs:
                ours[peer, task] += _turn(partial(_our_ms, model, frame, _SAME[peer.kind][task]))
                theirs[peer, task] += _turn(partial(_peer_ms, peer, request | {"task": task}))
        answers = {(peer, task): peer.ask(request | {"task": task}) for peer, task in pairs}
    for peer, task in pairs:
        our_ms, peer_ms = float(np.median(ours[peer, task])), float(np.median(theirs[peer, task]))
        result, answer = model.run(frame, _SAME[peer.kind][task]), answers[peer, task]
        yield PeerTimes(
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
    """Times in ms of the counted repetitions of a task."""
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
