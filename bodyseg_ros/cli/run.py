"""`bodyseg run`: photos, folders, videos and cameras in; masks, parts, overlays, cut-outs and poses out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Final, TextIO

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from ..body import KEYPOINT_NAMES
from ..effects import colored_parts, compose_all
from ..errors import BodysegError, MediaError, SettingsError
from ..media import Sink, Source, open_sink, open_source
from ..pipeline import Pipeline
from ..plugins import load_plugin
from ..settings import build
from ..types import Frame, Result, Wanted
from .loading import load_model
from .options import takes_parameters

__all__ = ["run"]

Picture = NDArray[np.uint8]
_INTERRUPTED: Final = 130
#: Nominal rate of the video of a camera that states none; its frames keep their own times.
_CAMERA_FPS: Final = Fraction(30)


@dataclass(frozen=True)
class _Output:
    """One kind of file: what it needs of a result, and how its picture is made (None: it is no picture).

    exact: its values must survive, or it has transparency; a video's are written as one PNG a frame.
    """

    needs: Wanted
    make: Callable[[Frame, Result], Picture] | None = None
    exact: bool = False


def _mask(frame: Frame, result: Result) -> Picture:
    assert result.person is not None
    return result.person * np.uint8(255)


def _parts(frame: Frame, result: Result) -> Picture:
    assert result.parts is not None
    return (result.parts + np.int8(1)).view(np.uint8)


def _parts_color(frame: Frame, result: Result) -> Picture:
    assert result.parts is not None
    return colored_parts(result.parts)


def _effects(*names: str) -> Callable[[Frame, Result], Picture]:
    chain = []
    for name in names:
        effect = load_plugin("effects", name)
        chain.append(effect(build(effect.Settings, {}, prefix=name)))
    return lambda frame, result: compose_all(chain, frame, result)


def _outputs() -> dict[str, _Output]:
    return {
        "mask": _Output(Wanted.PERSON, _mask),
        "parts": _Output(Wanted.PARTS, _parts, exact=True),
        "parts_color": _Output(Wanted.PARTS, _parts_color),
        "overlay": _Output(Wanted.PERSON | Wanted.INSTANCES | Wanted.POSES, _effects("overlay", "skeleton")),
        "cutout": _Output(Wanted.PERSON, _effects("cutout"), exact=True),
        "poses": _Output(Wanted.POSES),
    }


@takes_parameters("model", "network", "engine")
def run(
    inputs: Annotated[
        list[str], typer.Argument(help="Photos, folders of photos, videos, a camera's number (0) or stream address.")
    ],
    values: dict[str, Any],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")] = Path("out"),
    write: Annotated[
        str,
        typer.Option(help="What to write, with commas: mask, parts, parts_color, overlay, cutout, poses; or all."),
    ] = "all",
    max_frames: Annotated[int, typer.Option(min=0, help="Stop an input after this many frames; 0: at its end.")] = 0,
) -> None:
    """See the people in photos, folders, videos or a camera.

    For photo.jpg it writes photo_mask.png (0/255), photo_parts.png (0 background, part id + 1),
    photo_parts_color.png, photo_overlay.png (with skeletons), photo_cutout.png (RGBA) and a line in poses.jsonl.
    A video's mask, parts_color and overlay are videos of its own rate and length; its parts and cut-outs are
    one PNG a frame. What cannot be read is named, the rest is done, and the exit status is 1.

    Example: bodyseg run holiday/ clip.mp4 --write overlay,poses --segmentation-threshold 0.6
    """
    chosen = _chosen(write)
    console = Console(stderr=True)
    problems: list[str] = []
    with load_model(values) as model, _Writer(out, chosen) as writer, _progress(console) as progress:
        for text in inputs:
            try:
                _process(model, text, writer, progress, max_frames)
            except BodysegError as err:
                problems.append(str(err))
            except KeyboardInterrupt:
                console.print("bodyseg: stopped; what was written so far is complete and playable.")
                raise typer.Exit(_INTERRUPTED) from None
    for problem in problems:
        console.print(f"bodyseg: {problem}", style="red", markup=False, highlight=False, soft_wrap=True)
    console.print(f"{writer.frames} frames done, results in {out}", highlight=False, soft_wrap=True)
    if problems:
        raise typer.Exit(1)


def _chosen(write: str) -> dict[str, _Output]:
    outputs = _outputs()
    names = list(outputs) if write == "all" else [name.strip() for name in write.split(",")]
    for name in names:
        if name not in outputs:
            raise SettingsError(f"--write names {name!r}, but it may name {', '.join(outputs)}, or all.")
    return {name: outputs[name] for name in names}


def _process(model: Pipeline, text: str, writer: _Writer, progress: Progress, max_frames: int) -> None:
    """All frames of one input, through the recipe, to the files."""
    with open_source(text) as source, writer.files_of(source) as write:
        total = min(source.length, max_frames or source.length) if source.length else None
        task = progress.add_task(source.name, total=total)
        for count, frame in enumerate(source, start=1):
            write(frame, model.run(frame, writer.wanted))
            progress.advance(task)
            if count == max_frames:
                break


class _Rate(ProgressColumn):
    """Frames per second so far."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f} frames/s" if task.speed else "")


def _progress(console: Console) -> Progress:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn()
    return Progress(*columns, console=console)


class _Writer:
    """The files of a run; leaving it closes them, whatever happened."""

    def __init__(self, folder: Path, outputs: dict[str, _Output]) -> None:
        self._folder = folder
        self._outputs = outputs
        self._names: Counter[str] = Counter()
        self._files = ExitStack()
        self._poses: TextIO | None = None
        self.frames = 0
        self.wanted = Wanted.NOTHING
        for output in outputs.values():
            self.wanted |= output.needs

    def __enter__(self) -> _Writer:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if "poses" in self._outputs:
                path = self._folder / "poses.jsonl"
                self._poses = self._files.enter_context(path.open("w", encoding="utf-8"))
        except OSError as err:
            raise MediaError(f"The folder {str(self._folder)!r} cannot be written to: {err.strerror}.") from err
        return self

    def __exit__(self, *error: object) -> None:
        self._files.close()

    @contextmanager
    def files_of(self, source: Source) -> Iterator[Callable[[Frame, Result], None]]:
        """A callable that writes one frame of a source; what it opened is finished at the end."""
        still = source.fps is None and source.length is not None
        name = "" if still else self._unique(source.name)
        with ExitStack() as files:
            sinks = [
                (output.make, files.enter_context(self._sink(key, name, source, still)))
                for key, output in self._outputs.items()
                if output.make is not None
            ]

            def write(frame: Frame, result: Result) -> None:
                if still:
                    frame = replace(frame, frame_id=self._unique(frame.frame_id))
                for make, sink in sinks:
                    sink(make(frame, result), frame)
                self._write_poses(name or frame.frame_id, frame, result)
                self.frames += 1

            yield write

    def _sink(self, key: str, name: str, source: Source, still: bool) -> Sink:
        if still:
            return open_sink(self._folder / f"{{name}}_{key}.png", None)
        if self._outputs[key].exact:
            return open_sink(self._folder / f"{name}_{key}" / "{index}.png", None)
        return open_sink(self._folder / f"{name}_{key}.mp4", source.fps or _CAMERA_FPS)

    def _unique(self, name: str) -> str:
        """The name, with a number if an earlier input was called the same."""
        self._names[name] += 1
        return name if self._names[name] == 1 else f"{name}_{self._names[name]}"

    def _write_poses(self, name: str, frame: Frame, result: Result) -> None:
        if self._poses is None or result.poses is None:
            return
        people = zip(result.poses.keypoints, result.poses.keypoint_scores, result.poses.scores, strict=True)
        persons = [
            {
                "score": round(float(score), 4),
                "keypoints": [
                    {"name": joint, "x": round(float(x), 2), "y": round(float(y), 2), "score": round(float(each), 4)}
                    for joint, (x, y), each in zip(KEYPOINT_NAMES, points, scores, strict=True)
                ],
            }
            for points, scores, score in people
        ]
        height, width = result.size
        line = {"input": name, "stamp_ns": frame.stamp_ns, "width": width, "height": height, "persons": persons}
        self._poses.write(json.dumps(line) + "\n")
