"""Cover the people in photos and videos, for sharing; metadata is dropped, sound only kept on request."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import MediaError, ModelError
from ..media import Source, open_source, write_photo
from ..media.open_media import open_sink, source_kind
from ..media.photos import WRITE_OPTIONS
from ..media.source import VIDEO_SUFFIXES
from ..model import Model, open_model
from ..plan import Plan, make_plan
from ..types import Frame, Result, Wanted
from .filling import Covers, fill_over_time
from .mask_store import Sightings
from .person_hider import blank
from .privacy_settings import RecordingSettings, refuse_blindness
from .recording_painter import Coverer, load_coverer
from .release_report import CameraReport, Sheet, camera_report, describe_plan, hash_tree, outputs_beside, write_report
from .seeing import NEEDED, Observer, unfit_reason

__all__ = ["Audio", "MediaRelease", "anonymize_media"]

Audio = Literal["keep", "drop"]
#: Photos have no neighbors in time.
_STILL: Final = {"window_frames": 0, "max_gap": 0.0}


@dataclass
class MediaRelease:
    """What was done.

    problems: inputs that could not be read and are not in the output. soundtracks: number of copied ones.
    """

    cameras: list[CameraReport] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    soundtracks: int = 0


@dataclass(frozen=True)
class _Seer:
    """A model, as unfit_reason() queries it."""

    name: str
    offers: Wanted
    learns_background: bool


def anonymize_media(
    source: Path,
    target: Path,
    values: Mapping[str, Any],
    effects: Sequence[str] = (),
    audio: Audio = "drop",
    progress: Callable[[int, int], None] | None = None,
    open_model: Callable[[Plan[Any]], Model] = open_model,
) -> MediaRelease:
    """Write a photo, a folder of photos or a video without people, with a report and a contact sheet.

    target: of the same type as source; it appears when everything is done, or not at all. values: parameters by dotted
    name. progress: called with images done, each counted twice, and their total.

    Raises MediaError for unreadable or damaged input and for an existing output, SettingsError, and what open_model()
    raises. Unreadable photos of a folder are left out and reported.
    """
    plan = make_plan(values, RecordingSettings)
    refuse_blindness(plan)
    coverer = load_coverer(effects, plan.effects)
    beside = outputs_beside(target)
    _check_target(source, target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        folder = tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.")
        staging = Path(stack.enter_context(folder))
        model = stack.enter_context(open_model(plan))
        network = model.network
        reason = unfit_reason(_Seer(network.card.name, network.offers, network.learns_background))
        if reason:
            raise ModelError(f"The model cannot be used: {reason}")
        release = _Release(source, plan, model, coverer, progress)
        seen = stack.enter_context(closing(release.seen))
        release.look()
        covers = fill_over_time(seen, release.settings)
        stack.callback(covers.masks.close)
        made = staging / target.name
        sheet = release.write(seen, covers, made, audio)
        content = {
            **describe_plan(plan, network.card.name, effects, {"audio": audio}),
            "sha256_in": hash_tree(source),
            "sha256_out": hash_tree(made),
            **vars(release.report),
        }
        drafts = [staging / path.name for path in beside]
        write_report(drafts[0], content, [sheet], drafts[1])
        for draft, path in zip((*drafts, made), (*beside, target), strict=True):
            if draft.exists():
                draft.replace(path)
    return release.report


def _check_target(source: Path, target: Path) -> None:
    for path in (target, *outputs_beside(target)):
        if path.exists():
            raise MediaError(f"The output {str(path)!r} already exists; choose another name, or delete it first.")
    allowed: Sequence[str] = VIDEO_SUFFIXES
    if source_kind(str(source))[0] == "photos":
        allowed = () if source.is_dir() else tuple(WRITE_OPTIONS)
    if (target.suffix.lower() in allowed) == (not allowed):
        what = f"a file that ends in {', '.join(allowed)}"
        raise MediaError(f"The output is {str(target)!r}, but for {str(source)!r} it must be {what}.")


class _Release:
    """One input being processed."""

    def __init__(
        self,
        source: Path,
        plan: Plan[RecordingSettings],
        model: Model,
        coverer: Coverer,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self._source, self._coverer = source, coverer
        self._progress, self._done, self._total = progress, 0, 0
        self._fps: Fraction | None = None
        self._still = source_kind(str(source))[0] == "photos"
        self.settings = plan.own.model_copy(update=_STILL) if self._still else plan.own
        self.report = MediaRelease()

        def run(frame: Frame) -> Result:
            return model.run(frame, NEEDED)

        self._observer = Observer(run, plan.own.segmentation_threshold)

    @property
    def seen(self) -> Sightings:
        """Detections so far; close it."""
        return self._observer.seen

    def look(self) -> None:
        """First pass: run the network on every image."""
        for frame in self._frames(note=True):
            self._observer.look(lambda frame=frame: frame, frame.stamp_ns)  # type: ignore[misc] # bound now

    def _frames(self, note: bool = False) -> Iterator[Frame]:
        """Yield every image. A broken photo of a folder is left out and reported once."""
        with open_source(str(self._source)) as source:
            self._fps, self._total = source.fps, 2 * (source.length or 0)
            try:
                for frame in source:
                    yield frame
                    self._done += 1
                    if self._progress:
                        self._progress(self._done, max(self._total, self._done))
            except MediaError:
                if not self._is_folder_with_others(source):
                    raise
            if note:
                self.report.problems += source.problems

    def _is_folder_with_others(self, source: Source) -> bool:
        return self._still and self._done > 0 and len(source.problems) < (source.length or 0)

    def write(self, seen: Sightings, covers: Covers, made: Path, audio: Audio) -> Sheet:
        """Third step: write every image."""
        if self._still:
            # A person who is on one photo and not on the next is not lost.
            covers.lost, covers.appeared = [], []
        report = camera_report(self._source.name, seen, covers)
        self.report.cameras.append(report)
        sheet = Sheet(report)
        pictures = self._covered(seen, covers, report, sheet)
        if self._still:
            self._write_photos(pictures, made)
        else:
            self._write_video(pictures, made, audio)
        return sheet

    def _covered(
        self, seen: Sightings, covers: Covers, report: CameraReport, sheet: Sheet
    ) -> Iterator[tuple[Frame, NDArray[np.uint8]]]:
        count = 0
        for index, frame in enumerate(self._frames()):
            count += 1
            reason = seen.reasons.get(index, "") if index < len(seen) else "This picture was not there before."
            if not reason:
                try:
                    image, _ = self._coverer.cover(frame, covers.masks.read(index))
                except Exception as err:  # noqa: BLE001 - whatever went wrong, the picture must not be shown
                    reason = str(err) or type(err).__name__
                    report.blanked.setdefault(reason, []).append((index, index))
            if reason:
                image = blank(frame.size, "This picture could not be judged.").image
            sheet.offer(index, image)
            yield frame, image
        if count != len(seen):
            raise MediaError(f"The input {str(self._source)!r} has changed: {len(seen)} pictures before, now {count}.")

    def _write_photos(self, pictures: Iterator[tuple[Frame, NDArray[np.uint8]]], made: Path) -> None:
        if not self._source.is_dir():
            for _, image in pictures:
                write_photo(made, image)
            return
        made.mkdir()
        suffixes = {name: path.suffix.lower() for path in self._source.iterdir() for name in (path.stem, path.name)}
        for frame, image in pictures:
            suffix = suffixes.get(frame.frame_id, "")
            stem = frame.frame_id.removesuffix(suffix)
            ending = suffix if suffix in WRITE_OPTIONS else ".png"
            path = made / f"{stem}{ending}"
            write_photo(path if not path.exists() else made / f"{frame.frame_id}.png", image)

    def _write_video(self, pictures: Iterator[tuple[Frame, NDArray[np.uint8]]], made: Path, audio: Audio) -> None:
        has_sound = audio == "keep" and source_kind(str(self._source))[0] == "video"
        with open_sink(made, self._fps, sound=self._source if has_sound else None) as write:
            for frame, image in pictures:
                write(image, frame)
            self.report.soundtracks = getattr(write, "soundtracks", 0)
