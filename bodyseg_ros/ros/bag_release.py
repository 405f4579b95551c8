"""Cover the people in a bag, for sharing; all other messages stay as they are or are dropped.

Three passes: run the network on every image; decide what to cover in each, from the frames before and after; write.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rosbags.highlevel import AnyReader

from ..errors import FrameError, MediaError, ModelError
from ..plan import Plan, make_plan
from ..privacy import (
    NEEDED,
    Coverer,
    Covers,
    Observer,
    RecordingSettings,
    Sightings,
    blank,
    fill_over_time,
    load_coverer,
    refuse_blindness,
    to_pixels,
    unfit_reason,
)
from ..privacy.release_report import (
    CameraReport,
    Sheet,
    camera_report,
    describe_plan,
    hash_tree,
    outputs_beside,
    write_report,
)
from .bag import BagForm, add_like, form_of, read_bag, topics_of, write_bag
from .bag_topics import PICTURES, DepthRule, Treatment, choose_treatments
from .graph.headers import shorten, stamp_ns
from .nodes.frame_reader import FrameReader
from .nodes.node_model import NodeModel
from .nodes.node_settings import InputSettings
from .nodes.shared import Shared
from .picture_messages import blank_depth, blank_picture, size_of, with_picture, without_depth
from .video_rewriter import VIDEOS, VideoRewriter, origin_of

__all__ = ["BagRelease", "ReleaseRules", "anonymize_bag"]

OpenModel = Callable[[Plan[Any], Shared], NodeModel]
_INPUT: Final = InputSettings()


@dataclass(frozen=True)
class ReleaseRules:
    """The user's options.

    keep, drop: topics by name. depth: see choose_treatments(). effects: names; none: gray.
    """

    keep: Sequence[str] = ()
    drop: Sequence[str] = ()
    depth: DepthRule = ""
    effects: Sequence[str] = ()

    @property
    def options(self) -> dict[str, Any]:
        """What decides about topics, for the report."""
        return {"keep": sorted(self.keep), "drop": sorted(self.drop), "depth": self.depth}


@dataclass
class BagRelease:
    """What was done.

    topics: name → treatment in words. depth_blanked: depth images without a mask of the same stamp. unreadable: image
    messages left out because not even their header could be read.
    """

    topics: dict[str, str]
    cameras: list[CameraReport] = field(default_factory=list)
    depth_blanked: int = 0
    unreadable: int = 0


def anonymize_bag(
    source: Path,
    target: Path,
    values: Mapping[str, Any],
    rules: ReleaseRules | None = None,
    progress: Callable[[int, int], None] | None = None,
    open_model: OpenModel = NodeModel,
) -> BagRelease:
    """Write a copy of a bag in which people are covered, with TARGET.report.json and TARGET.sheet.png.

    source: an .mcap or .db3 file, or a bag's folder. target: of the same storage; it appears when everything is done,
    or not at all. values: parameters by dotted name. progress: called with images done, each counted twice, and their
    total.

    Raises MediaError for an unreadable bag, or one with topics for which the user must decide; SettingsError, and what
    open_model() raises.
    """
    rules = rules or ReleaseRules()
    plan = make_plan(values, RecordingSettings)
    refuse_blindness(plan)
    load_coverer(rules.effects, plan.effects)
    beside = outputs_beside(target)
    with read_bag(source) as reader:
        form = form_of(source, reader)
        _check_target(source, target, form)
        treatments = choose_treatments(topics_of(reader), rules.keep, rules.drop, rules.depth)
        target.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            staging = Path(
                stack.enter_context(tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}."))
            )
            made = staging / target.name
            release = _Release(reader, plan, treatments, rules, progress)
            stack.callback(release.close)
            model = release.look(open_model)
            release.decide()
            with write_bag(made, form) as writer:
                release.write(writer)
            content = {
                **describe_plan(plan, model, rules.effects, rules.options),
                "sha256_in": hash_tree(source),
                "sha256_out": hash_tree(made),
                **vars(release.report),
            }
            drafts = [staging / path.name for path in beside]
            write_report(drafts[0], content, release.sheets, drafts[1])
            # The bag is renamed last: if it exists, everything does.
            for draft, path in zip((*drafts, made), (*beside, target), strict=True):
                if draft.exists():
                    draft.replace(path)
    return release.report


def _check_target(source: Path, target: Path, form: BagForm) -> None:
    for path in (target, *outputs_beside(target)):
        if path.exists():
            raise MediaError(f"The output {str(path)!r} already exists; choose another name, or delete it first.")
    suffix = source.suffix if form.file else ""
    if target.suffix.lower() != suffix and (form.file or target.suffix in (".mcap", ".db3")):
        what = f"a file that ends in {suffix}" if suffix else "a folder"
        raise MediaError(f"The output is {str(target)!r}, but as {str(source)!r} it must be {what}.")


@dataclass
class _Camera:
    """One image topic being processed."""

    topic: str
    model: NodeModel
    observer: Observer
    reader: FrameReader | VideoRewriter
    coverer: Coverer
    covers: Covers | None = None
    sheet: Sheet | None = None
    written: int = 0

    @property
    def seen(self) -> Sightings:
        return self.observer.seen

    def cells(self, index: int) -> NDArray[np.uint8]:
        """What to cover in a frame, once decided."""
        assert self.covers is not None
        return self.covers.masks.read(index)

    def rewind(self) -> None:
        """Before the second reading of a video: its first packet comes again."""
        if isinstance(self.reader, VideoRewriter):
            self.reader = VideoRewriter(_INPUT.max_image_px)

    def blank(self, message: Any, index: int, quality: int) -> tuple[NDArray[np.uint8], Any]:
        """(picture, message) for a frame that could not be judged; of the video's first size if it has none."""
        size = self.seen.size(index)
        if isinstance(self.reader, VideoRewriter) and not size[0]:
            size = self.seen.first_size
        image = blank(size if size[0] else size_of(message), "This picture could not be judged.").image
        if isinstance(self.reader, VideoRewriter):
            return image, self.reader.with_picture(message, image)
        return image, blank_picture(message, image, quality)


class _Release:
    """One bag being processed."""

    def __init__(
        self,
        reader: AnyReader,
        plan: Plan[RecordingSettings],
        treatments: Mapping[str, Treatment],
        rules: ReleaseRules,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self._reader, self._plan, self._rules = reader, plan, rules
        self._treatments = treatments
        self._progress, self._done = progress, 0
        self._cameras: dict[str, _Camera] = {}
        self._covering = [
            one
            for one in reader.connections
            if treatments[one.topic] is Treatment.COVER and one.msgtype in (*PICTURES, *VIDEOS)
        ]
        self._total = 2 * sum(one.msgcount for one in self._covering)
        self._pairs = Treatment.DEPTH in treatments.values()
        self._by_stamp: dict[tuple[str, int], tuple[_Camera, int] | None] = {}
        self.report = BagRelease({topic: treatment.value for topic, treatment in sorted(treatments.items())})

    @property
    def sheets(self) -> list[Sheet]:
        """By camera, in the order of their topics."""
        return [camera.sheet for _, camera in sorted(self._cameras.items()) if camera.sheet]

    def close(self) -> None:
        """Release networks and files."""
        for camera in self._cameras.values():
            camera.model.close()
            camera.seen.close()
            if camera.covers:
                camera.covers.masks.close()

    def look(self, open_model: OpenModel) -> str:
        """First pass: run the network on every image. Returns the network's name."""
        shared, name = Shared(), self._plan.card.name
        for topic, is_video in sorted({(one.topic, one.msgtype in VIDEOS) for one in self._covering}):
            name = self._open(topic, is_video, open_model, shared)
        if self._covering:
            for connection, time_ns, raw in self._reader.messages(self._covering):
                self._look(self._cameras[connection.topic], connection.msgtype, time_ns, raw)
                self._advance()
        return name

    def _open(self, topic: str, is_video: bool, open_model: OpenModel, shared: Shared) -> str:
        """Make a camera with its own model, since some keep state, on a shared engine."""
        model = open_model(self._plan, shared)
        threshold = self._plan.own.segmentation_threshold

        def run(frame: Any) -> Any:
            return model.run(self._plan, frame, NEEDED)

        self._cameras[topic] = _Camera(
            topic,
            model,
            Observer(run, threshold),
            VideoRewriter(_INPUT.max_image_px) if is_video else FrameReader(_INPUT, lambda text: None),
            load_coverer(self._rules.effects, self._plan.effects),
        )
        reason = unfit_reason(model)
        if reason:
            raise ModelError(f"The model cannot be used: {reason}")
        return model.name

    def _look(self, camera: _Camera, type_name: str, time_ns: int, raw: bytes) -> None:
        stamp = 0
        message: Any = None
        try:
            message = self._reader.deserialize(raw, type_name)
            key = origin_of(message)
            stamp = key[1]
            if self._pairs:
                # A zero or repeated stamp does not identify a frame.
                known = not stamp or key in self._by_stamp
                self._by_stamp[key] = None if known else (camera, len(camera.seen))
        except Exception as err:  # noqa: BLE001 - told with the frame, below
            failure = err

            def read() -> Any:
                raise FrameError(f"The message cannot be read: {failure}")

            camera.observer.look(read, time_ns, stamp)
            return
        camera.observer.look(lambda: camera.reader.read(message), time_ns, stamp)

    def decide(self) -> None:
        """Second pass: decide what to cover in every image."""
        for topic, camera in sorted(self._cameras.items()):
            covers = camera.covers = fill_over_time(camera.seen, self._plan.own)
            report = camera_report(topic, camera.seen, covers)
            camera.sheet = Sheet(report)
            camera.rewind()
            self.report.cameras.append(report)

    def write(self, writer: Any) -> None:
        """Third pass: write every message in order."""
        kept = [one for one in self._reader.connections if self._treatments[one.topic] is not Treatment.DROP]
        copies = {one.id: add_like(writer, self._reader, one) for one in kept}
        if not kept:
            return
        for connection, time_ns, raw in self._reader.messages(kept):
            for made in self._made(connection, raw):
                writer.write(copies[connection.id], time_ns, made)

    def _made(self, connection: Any, raw: bytes) -> Iterator[Any]:
        """Return a message's new bytes, its old ones if unchanged, or None to drop it."""
        treatment = self._treatments[connection.topic]
        if treatment is Treatment.COPY:
            yield raw
            return
        if treatment is Treatment.COVER and connection.topic in self._cameras:
            yield from self._covered(self._cameras[connection.topic], connection.msgtype, raw)
            self._advance()
        elif treatment is Treatment.DEPTH:
            yield from self._without_depth(connection.msgtype, raw)

    def _covered(self, camera: _Camera, type_name: str, raw: bytes) -> Iterator[Any]:
        index, camera.written = camera.written, camera.written + 1
        try:
            message = self._reader.deserialize(raw, type_name)
        except Exception:  # noqa: BLE001 - counted; its reason stands among the frames that are blanked
            self.report.unreadable += 1
            return
        quality = self._plan.own.jpeg_quality
        reason = camera.seen.reasons.get(index, "")
        try:
            frame = camera.reader.read(message)  # also where it will be blank: a video's next packets need it
            if not reason:
                image, people = camera.coverer.cover(frame, camera.cells(index))
                if isinstance(camera.reader, VideoRewriter):
                    made = camera.reader.with_picture(message, image)
                else:
                    changed = people | (image != frame.image).any(axis=2).view(np.uint8)
                    made = with_picture(message, image, changed, quality)
        except Exception as err:  # noqa: BLE001 - whatever went wrong, the picture must not be shown
            if not reason:
                reason = str(err) or type(err).__name__
                self._note(camera, index, reason)
        if reason:
            image, made = camera.blank(message, index, quality)
        if camera.sheet:
            camera.sheet.offer(index, image)
        yield self._reader.typestore.serialize_cdr(made, type_name)

    def _note(self, camera: _Camera, index: int, reason: str) -> None:
        """Record a frame that failed while it was being covered."""
        report = next(one for one in self.report.cameras if one.name == camera.topic)
        report.blanked.setdefault(reason, []).append((index, index))

    def _without_depth(self, type_name: str, raw: bytes) -> Iterator[Any]:
        try:
            message = self._reader.deserialize(raw, type_name)
        except Exception:  # noqa: BLE001 - counted
            self.report.unreadable += 1
            return
        try:
            people = self._people_at(message)
            made = blank_depth(message) if people is None else without_depth(message, people)
            self.report.depth_blanked += people is None
        except FrameError:
            self.report.depth_blanked += 1
            made = self._blank_depth_or_none(message)
        if made is not None:
            yield self._reader.typestore.serialize_cdr(made, type_name)

    def _blank_depth_or_none(self, message: Any) -> Any:
        try:
            return blank_depth(message)
        except FrameError:
            self.report.unreadable += 1
            return None

    def _people_at(self, message: Any) -> NDArray[np.uint8] | None:
        """Return the covered part of the color image with the same stamp; None unless there is exactly one."""
        found = self._by_stamp.get((shorten(message.header.frame_id), stamp_ns(message.header)))
        if found is None:
            return None
        camera, index = found
        if index in camera.seen.reasons:
            return None
        return to_pixels(camera.cells(index), camera.seen.size(index))

    def _advance(self) -> None:
        self._done += 1
        if self._progress:
            self._progress(self._done, self._total)
