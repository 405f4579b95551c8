"""One input of `bodyseg run`: all that another process needs for it, and the work."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from .. import __version__
from ..dependencies import missing_package
from ..errors import BodysegError, EngineError, FrameError, MediaError
from ..media import open_source
from ..model import Model
from ..plan import Plan
from ..ros.nodes.node_settings import NodeSettings
from ..tracking import NOBODY_FOLLOWED, PeopleFollower
from ..types import Wanted
from .many_files import Show
from .model_loading import load_model, plan_model
from .reporting import count
from .run_files import FileWriter, Output, VideoOptions, choose_outputs, is_bag, is_still, make_folder
from .storage import exists, fetched, fingerprint, is_remote, join, name_of, parent_of, put_into, read_text, write_text

__all__ = ["Choices", "Done", "RunTask", "drop_model", "keep_model", "run_task"]

_kept: Final = threading.local()  # a Dask worker has several threads, each with an input of its own


@dataclass(frozen=True)
class Choices:
    """What the user chose for all inputs.

    values: parameters by dotted name. write: names of outputs, with commas; '' for none. effects: of the composite.
    max_frames: 0 for all. image_topic, keep_raw: of a bag.
    """

    values: dict[str, Any]
    write: str = ""
    effects: tuple[str, ...] = ()
    max_frames: int = 0
    video: VideoOptions = field(default_factory=VideoOptions)
    image_topic: str = ""
    keep_raw: bool = False

    @property
    def outputs(self) -> list[str]:
        """The names in `write`."""
        return [name.strip() for name in self.write.split(",") if name]


@dataclass(frozen=True)
class RunTask:
    """One input.

    number: its place among all. out: a folder, or with one_file the only file, stream or device. names: see
    name_outputs(). lines: the file of its lines of poses.jsonl, '' for none; print_lines: they go to standard output
    too. record: a file that tells a later run that the input is done; '' for none.
    """

    number: int
    source: str
    out: str
    choices: Choices
    names: Mapping[str, str] = field(default_factory=dict)
    one_file: bool = False
    lines: str = ""
    print_lines: bool = False
    record: str = ""

    @property
    def name(self) -> str:
        """The input's own."""
        return name_of(self.source)

    @property
    def bag_target(self) -> str:
        """Where a bag goes: to the file or folder that is named, or into a folder under its own name."""
        if self.one_file:
            return self.out
        return join(self.out, self.name if self.name.endswith(".mcap") else Path(self.name).stem)


@dataclass
class Done:
    """What was done with an input.

    problems: sentences about what failed. remarks: for the user. report, target: of a bag. before: whether it was done
    by an earlier run.
    """

    frames: int = 0
    problems: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    report: dict[str, Any] | None = None
    target: str = ""
    before: bool = False


def run_task(task: RunTask, show: Show = None) -> Done:
    """Do one input, unless its record says that it is done. Raises BodysegError if it cannot be begun."""
    origin = _origin(task) if task.record else {}
    before = _done_before(task, origin)
    if before is not None:
        return before
    work = _run_bag if is_bag(task.source) else _run_media
    with fetched(task.source) as source:
        done = work(task, source, show)
    if task.record:
        content = {"origin": origin, "done": asdict(done), "outputs": _outputs(task)}
        write_text(task.record, json.dumps(content))
    return done


def _origin(task: RunTask) -> dict[str, Any]:
    """All that decides about the outputs, as JSON has it."""
    choices = asdict(task.choices)
    choices["values"].pop("threads", None)  # the same pixels with any number
    model = str(task.choices.values.get("model_path", ""))
    facts = {
        "version": __version__,
        "input": fingerprint(task.source),
        "model": fingerprint(model) if model else {},
        "names": dict(task.names),
        "choices": choices,
    }
    return dict(json.loads(json.dumps(facts, default=str)))


def _outputs(task: RunTask) -> dict[str, Any]:
    """The files of an input that are there, by path, and what tells them from others."""
    if is_bag(task.source):
        paths = [task.bag_target]
    else:
        keys, ends = task.choices.outputs, ("", ".png", ".mp4")
        paths = [join(task.out, f"{name}_{key}{end}") for name in task.names.values() for key in keys for end in ends]
        paths += [task.lines] if task.lines else []
    return {path: found for path in paths if (found := fingerprint(path))}


def _done_before(task: RunTask, origin: Mapping[str, Any]) -> Done | None:
    """What the record says, if the outputs are there and were made from the same input by the same choices."""
    try:
        content = json.loads(read_text(task.record)) if task.record else {}
    except ValueError:
        return None
    if not content or content["origin"] != origin or content["outputs"] != _outputs(task):
        return None
    return Done(**{**content["done"], "before": True})


def keep_model(plan: Plan[NodeSettings], values: Mapping[str, Any]) -> Model:
    """The model of a plan, loaded once by each thread, without memory of earlier frames. End with drop_model()."""
    path = str(values.get("model_path", ""))
    key = repr((sorted(values.items()), fingerprint(path) if path else {}))
    if getattr(_kept, "key", "") != key:
        drop_model()
        _kept.model, _kept.key = load_model(plan), key
    model: Model = _kept.model
    model.restart()
    return model


def drop_model() -> None:
    """Close the model of this thread, if there is one."""
    if getattr(_kept, "key", ""):
        _kept.key = ""
        _kept.model.close()
        _kept.model = None


def _run_media(task: RunTask, source: Path, show: Show) -> Done:
    choices, text = task.choices, str(source) if source.exists() else task.source
    plan = plan_model(choices.values)
    model = keep_model(plan, choices.values)
    outputs: dict[str, Output] = {}
    if choices.write:
        outputs = choose_outputs(choices.write, model.offers, plan.effects, choices.effects)
    with ExitStack() as stack:
        lines = [sys.stdout] if task.print_lines else []
        if task.lines:
            folder = stack.enter_context(put_into(parent_of(task.lines)))
            make_folder(folder)
            path = folder / name_of(task.lines)
            lines.append(stack.enter_context(path.open("w", encoding="utf-8")))
        out = task.out
        if is_remote(out):
            folder = stack.enter_context(put_into(parent_of(out) if task.one_file else out))
            out = str(folder / name_of(out) if task.one_file else folder)
        writer = FileWriter(out, outputs, task.names, task.one_file, plan.events, choices.video, lines)
        return _write(writer, model, text, choices.max_frames, show)


def _write(writer: FileWriter, model: Model, text: str, max_frames: int, show: Show) -> Done:
    """Process all frames of one input."""
    done = Done()
    follower = PeopleFollower(model.following if Wanted.POSES in model.offers else NOBODY_FOLLOWED)
    try:
        with open_source(text) as source, writer.files_of(source) as write:
            total = min(source.length, max_frames or source.length) if source.length else None
            moves = not is_still(source)
            for count, frame in enumerate(source, start=1):
                try:
                    result = model.run(frame, writer.wanted)
                    write(frame, follower.follow(frame, result) if moves else result)
                except (EngineError, FrameError) as err:
                    done.problems.append(f"{source.stem}, frame {count}: {err}")
                if show:
                    show(count, total)
                if count == max_frames:
                    done.problems += source.problems
                    break
    except BodysegError as err:
        done.problems.append(str(err))
    done.frames = writer.frames
    return done


def _run_bag(task: RunTask, source: Path, show: Show) -> Done:
    """Copy a bag with the node's topics added."""
    try:
        from ..ros.bag import process_bag
    except ModuleNotFoundError as err:
        raise missing_package("Reading a bag", err, "bodyseg_ros[bags]") from err
    choices, target = task.choices, task.bag_target
    if is_remote(target) and exists(target):
        raise MediaError(f"The bag {target!r} already exists; use another name, or delete it first.")
    with put_into(parent_of(target)) as folder:
        values, place = choices.values, folder / name_of(target)
        report = process_bag(source, place, values, show, choices.image_topic, choices.keep_raw)
    remarks = [f"Topics copied: {', '.join(report.copied) or 'none'}."]
    if report.left_out:
        left_out = ", ".join(report.left_out)
        remarks.append(f"Topics left out, as they may show people: {left_out}; --keep-raw copies them.")
    remarks.append(f"{count(report.frames, 'frame')} of {report.image_topic} done, bag in {target}")
    problems = [f"{source.name}, frame at {stamp_ns} ns: {why}" for stamp_ns, why in report.problems]
    return Done(report.frames, problems, remarks, asdict(report), target)
