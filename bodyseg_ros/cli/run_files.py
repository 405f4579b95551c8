"""The output files of a run: which exist, how each is made from a result, and where it goes."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TextIO

import numpy as np
from numpy.typing import NDArray

from ..body import NO_PART
from ..effects import Effect, colored_parts, compose_all, load_effects, needs_of
from ..errors import MediaError, SettingsError
from ..events import EventSettings, EventWatcher
from ..media import Sink, Source, open_sink, open_source
from ..media.open_media import is_live, source_kind
from ..media.photos import READ_SUFFIXES, WRITE_OPTIONS, PhotoSource, photo_names
from ..media.source import USUAL_FPS, VIDEO_SUFFIXES
from ..media.video_coding import QUALITY
from ..settings import Settings
from ..types import Frame, Poses, Result, Wanted
from .pose_lines import pose_line
from .storage import exists, is_folder, is_remote, join, name_of, names_in

__all__ = [
    "FileWriter",
    "Input",
    "Output",
    "VideoOptions",
    "check_fits",
    "choose_outputs",
    "is_bag",
    "is_one_file",
    "is_still",
    "look_at",
    "make_folder",
    "name_outputs",
    "spare_inputs",
]

Picture = NDArray[np.uint8]
#: Outputs of the model that are not written to files.
_NOT_WRITTEN: Final = (
    *(".avi", ".flv", ".mpeg", ".mpg", ".mts", ".ts", ".wmv", ".bmp", ".tif", ".tiff", ".webp", ".heic", ".avif"),
    *(".mcap", ".db3", ".json", ".jsonl"),
)
#: Files that store transparency.
_SEE_THROUGH: Final = (".png", ".webm", ".mov", ".mkv", ".gif")
#: Outputs that a video's sound belongs to.
_WITH_SOUND: Final = ("overlay", "composite")


@dataclass(frozen=True)
class Output:
    """One type of output file.

    needs: fields of the result. picture: makes its image; None for other files. exact: must be stored losslessly.
    see_through: is transparent. In a folder, a video of either kind becomes one PNG per frame.
    """

    needs: Wanted
    make: Callable[[Frame, Result], Picture] | None = None
    exact: bool = False
    see_through: bool = False


def _mask(frame: Frame, result: Result) -> Picture:
    assert result.person is not None
    return result.person * np.uint8(255)


def _parts(frame: Frame, result: Result) -> Picture:
    assert result.parts is not None
    return (result.parts + np.int8(1)).view(np.uint8)


def _parts_color(frame: Frame, result: Result) -> Picture:
    assert result.parts is not None
    return colored_parts(result.parts)


def _classes(frame: Frame, result: Result) -> Picture:
    assert result.classes is not None
    return result.classes


def _drawn(effects: Sequence[Effect]) -> Callable[[Frame, Result], Picture]:
    return lambda frame, result: compose_all(effects, frame, result)


def _outputs(offers: Wanted, settings: Mapping[str, Settings], effects: Sequence[str]) -> dict[str, Output]:
    """All outputs; the overlay shows everything the network offers."""
    layers = [effect for effect in load_effects("", ("overlay", "skeleton"), settings) if effect.needs in offers]
    cutout, chain = load_effects("", ("cutout",), settings), load_effects("--effect", effects, settings)
    shown = offers & (Wanted.PERSON | Wanted.INSTANCES | Wanted.POSES)
    return {
        "mask": Output(Wanted.PERSON, _mask),
        "parts": Output(Wanted.PARTS, _parts, exact=True),
        "parts_color": Output(Wanted.PARTS, _parts_color),
        "overlay": Output(shown, _drawn(layers)),
        "cutout": Output(Wanted.PERSON, _drawn(cutout), see_through=_is_see_through(cutout)),
        "classes": Output(Wanted.CLASSES, _classes, exact=True),
        "poses": Output(Wanted.POSES),
    } | ({"composite": Output(needs_of(chain), _drawn(chain), see_through=_is_see_through(chain))} if chain else {})


def _is_see_through(chain: Sequence[Effect]) -> bool:
    """Whether the chain makes transparent images, tested on an image of one pixel."""
    nobody = np.zeros((1, 1), np.uint8)
    result = Result(
        (1, 1),
        person=nobody,
        confidence=nobody.astype(np.float32),
        parts=np.full((1, 1), NO_PART, np.int8),
        poses=Poses.none(),
    )
    composed = compose_all(chain, Frame(np.zeros((1, 1, 3), np.uint8)), result)
    return int(composed.shape[2]) == 4


def choose_outputs(
    write: str, offers: Wanted, settings: Mapping[str, Settings], effects: Sequence[str] = ()
) -> dict[str, Output]:
    """The outputs that `write` names, with commas; 'all' means as many as the network offers.

    settings: of the effects, by their names. effects: the chain that makes 'composite'.

    Raises SettingsError for a name there is not, or one that the network cannot fill.
    """
    outputs = _outputs(offers, settings, effects)
    if write == "all":
        return {name: output for name, output in outputs.items() if output.needs in offers}
    names = [name.strip() for name in write.split(",")]
    for name in names:
        if name not in outputs:
            raise SettingsError(f"--write has {name!r}, but it must be from {', '.join(outputs)}, or all.")
        if outputs[name].needs not in offers:
            raise SettingsError(f"--write has {name!r}, but this network does not compute it with these settings.")
    return {name: outputs[name] for name in names}


def check_fits(out: str, outputs: Mapping[str, Output]) -> None:
    """Raise SettingsError unless exactly one output is requested and this type of file can store it."""
    names, suffix = ", ".join(outputs), Path(out).suffix.lower()
    if len(outputs) != 1 or any(output.make is None for output in outputs.values()):
        raise SettingsError(f"--out is {out!r}, a single image or video, but --write lists {names}.")
    if suffix != ".png" and any(output.exact for output in outputs.values()):
        raise SettingsError(
            f"--out is {out!r}, which cannot store {names} with exact values; use a .png for a photo, a folder for a "
            "video."
        )
    if suffix not in _SEE_THROUGH and any(output.see_through for output in outputs.values()):
        raise SettingsError(
            f"--out is {out!r}, which cannot store {names} with transparency; use a name that ends in "
            f"{', '.join(_SEE_THROUGH)}, or a folder."
        )


def _files_of(inputs: Iterable[str]) -> Iterator[Path]:
    """List every file of the inputs, including those in folders."""
    for text in inputs:
        path = Path(text)
        yield from (file.resolve() for file in (path.iterdir() if path.is_dir() else [path]))


def is_still(source: Source) -> bool:
    """Whether a source consists of independent photos."""
    return source.fps is None and source.length is not None


def _clear(folder: Path) -> None:
    """Remove numbered images of an earlier, possibly longer run."""
    for path in folder.glob("[0-9][0-9][0-9][0-9][0-9][0-9].png"):
        path.unlink()


@dataclass(frozen=True)
class VideoOptions:
    """How videos are written; codec and quality as for `VideoSink`. keep_sound: whether an input's sound is written."""

    codec: str = "auto"
    quality: int = QUALITY
    keep_sound: bool = True


@dataclass(frozen=True)
class Input:
    """An input before it is read. still: photos; frames: number of frames, None if unknown. names: what its outputs
    are called after: one name for a video, one for each photo; none if they are not known before it is read.
    """

    text: str
    still: bool
    frames: int | None
    names: tuple[str, ...] = ()
    bag: bool = False


def is_bag(text: str) -> bool:
    """Whether a path is a ROS 2 bag, by name or metadata."""
    if text.endswith((".mcap", ".db3")):
        return True
    if is_remote(text):
        return not Path(text).suffix and exists(join(text, "metadata.yaml"))
    return (Path(text) / "metadata.yaml").is_file()


def look_at(text: str) -> Input:
    """Open a photo, folder, animation or video and close it again; cameras and plugin sources are not opened. What is
    on other storage is told by its name.

    Raises MediaError if it cannot be read, MissingDependencyError if its reader is not installed.
    """
    if is_bag(text):
        return Input(text, still=False, frames=None, bag=True)
    if is_remote(text):
        paths = [Path(name) for name in names_in(text) or [name_of(text)] if not name.startswith(".")]
        photos = [path for path in paths if path.suffix.lower() in READ_SUFFIXES]
        return Input(text, bool(photos), len(photos) or None, photo_names(photos or paths[:1]))
    if source_kind(text)[0] not in ("photos", "animation", "video"):
        return Input(text, still=False, frames=None)
    with open_source(text) as source:
        names = source.names if isinstance(source, PhotoSource) else (source.stem,)
        return Input(text, source.fps is None, source.length, names)


def name_outputs(inputs: Sequence[Input]) -> list[dict[str, str]]:
    """For each input: its names → what its outputs are called after, numbered if an earlier input had the same."""
    used: set[str] = set()
    return [{name: free_name(name, used) for name in one.names} for one in inputs]


def free_name(name: str, used: set[str]) -> str:
    """The name, or with a number if it is used; it is used from now on."""
    number, free = 1, name
    while free in used:
        number += 1
        free = f"{name}_{number}"
    used.add(free)
    return free


def spare_inputs(out: str, outputs: Mapping[str, Output], inputs: Sequence[Input], one_file: bool) -> None:
    """Raise MediaError if an output would overwrite an input."""
    if is_remote(out):
        return
    files = set(_files_of(one.text for one in inputs if not is_remote(one.text)))
    stems = [
        (name, ".png" if one.still else ".mp4")
        for one, renamed in zip(inputs, name_outputs(inputs), strict=True)
        for name in renamed.values()
    ]
    made = [Path(out) / f"{name}_{key}{end}" for name, end in stems for key in outputs]
    for target in [Path(out)] if one_file else made:
        if target.resolve() in files:
            raise MediaError(f"The result {str(target)!r} would overwrite an input; choose another --out.")


def is_one_file(out: str, inputs: Sequence[Input]) -> bool:
    """Whether `--out` names a file, stream or device and not a folder. Raises SettingsError if it can be none."""
    path = Path(out)
    suffix = path.suffix.lower()
    if is_folder(out) and not (is_bag(out) and len(inputs) == 1 and inputs[0].bag):
        return False
    if any(one.bag for one in inputs):
        if len(inputs) == 1:
            _check_bag_name(out)
            return True
        if is_bag(out):
            raise SettingsError(f"--out is {out!r}, which is one bag, but there are several inputs; use a folder.")
    live = is_live(out) and not is_remote(out)
    if live or suffix in (*VIDEO_SUFFIXES, *WRITE_OPTIONS):
        still = suffix in WRITE_OPTIONS and not live
        if len(inputs) == 1 and inputs[0].still == still and not (still and inputs[0].frames != 1):
            return True
        what = "one photo" if still else "one video or camera"
        names = ", ".join(one.text for one in inputs)
        raise SettingsError(f"--out is {out!r}, which is for {what}, but the input is {names}; use a folder.")
    if path.exists():
        raise SettingsError(f"--out is {out!r}, which is an existing file; use a folder.")
    if suffix in _NOT_WRITTEN or mimetypes.guess_type(path.name)[0]:
        raise SettingsError(
            f"--out is {out!r}, but {suffix} files cannot be written. Use a folder, a video that ends in "
            f"{', '.join(VIDEO_SUFFIXES)}, or a photo that ends in {', '.join(WRITE_OPTIONS)}."
        )
    return False


def make_folder(folder: Path) -> None:
    """Make a folder of outputs. Raises MediaError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise MediaError(f"The folder {str(folder)!r} cannot be written to: {err.strerror}.") from err


def _check_bag_name(out: str) -> None:
    """Raise SettingsError if `--out` names a file that is not a bag."""
    if Path(out).suffix.lower() in {*VIDEO_SUFFIXES, *WRITE_OPTIONS, *_NOT_WRITTEN} - {".mcap"}:
        raise SettingsError(f"--out is {out!r}, but a bag is written to a file that ends in .mcap, or to a folder.")


class FileWriter:
    """The files of one input; leaving it closes them, whatever happened.

    out: a folder; with `one_file` the only file, stream or device, for which there must be one output. names: of the
    input's frames or itself → of its outputs; see name_outputs(). events: when something counts as an event. video: how
    videos are written. lines: where the lines of poses.jsonl go. Raises SettingsError where a file of this kind cannot
    hold it.
    """

    def __init__(
        self,
        out: str,
        outputs: dict[str, Output],
        names: Mapping[str, str],
        one_file: bool = False,
        events: EventSettings | None = None,
        video: VideoOptions = VideoOptions(),
        lines: Sequence[TextIO] = (),
    ) -> None:
        self._folder = None if is_live(out) or not outputs else Path(out).parent if one_file else Path(out)
        self._video = video
        self._one_file = out if one_file else None
        if one_file:
            check_fits(out, outputs)
        self._outputs = outputs
        self._events = events
        self._names, self._used = names, set(names.values())
        self._lines = lines
        self.frames = 0
        self.wanted = Wanted.POSES if lines else Wanted.NOTHING
        for output in outputs.values():
            self.wanted |= output.needs

    @contextmanager
    def files_of(self, source: Source) -> Iterator[Callable[[Frame, Result], None]]:
        """Return a callable that writes one frame of a source; open files are finished at the end."""
        if self._folder is not None:
            make_folder(self._folder)
        still = is_still(source)
        name, watcher = "" if still else self._name(source.stem), EventWatcher(self._events)
        with ExitStack() as files:
            sinks = [
                (output.make, files.enter_context(self._sink(key, name, source, still)))
                for key, output in self._outputs.items()
                if output.make is not None
            ]

            def write(frame: Frame, result: Result) -> None:
                if still and not self._one_file:
                    frame = replace(frame, frame_id=self._name(frame.frame_id))
                for make, sink in sinks:
                    sink(make(frame, result), frame)
                events = watcher.watch(result, frame.stamp_ns) if result.tracks else []
                if self._lines and result.poses is not None:
                    line = pose_line(name or frame.frame_id, frame, result, events)
                    for file in self._lines:
                        file.write(line)
                        file.flush()  # whoever reads the lines gets each at once
                self.frames += 1

            yield write

    def _sink(self, key: str, name: str, source: Source, still: bool) -> Sink:
        fps = None if still else source.fps or USUAL_FPS
        options = self._video
        if self._one_file or self._folder is None:
            sound = source.sound_file if options.keep_sound else None
            return open_sink(self._one_file or "", fps, options.codec, options.quality, sound)
        if still:
            return open_sink(self._folder / f"{{name}}_{key}.png", None)
        output = self._outputs[key]
        if output.exact or output.see_through:
            _clear(self._folder / f"{name}_{key}")
            return open_sink(self._folder / f"{name}_{key}" / "{index}.png", None)
        sound = source.sound_file if options.keep_sound and key in _WITH_SOUND else None
        return open_sink(self._folder / f"{name}_{key}.mp4", fps, options.codec, options.quality, sound)

    def _name(self, name: str) -> str:
        """What outputs are called after."""
        return self._names[name] if name in self._names else free_name(name, self._used)
