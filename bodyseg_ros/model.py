"""The steps of a frame: prepare → run → decode → second network per person, if any → result."""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, TypeVar, overload

from .catalog import Progress, find_model
from .engines import Engine, open_engine
from .errors import ResultError, SettingsError
from .frame_skip import FrameSkipper
from .kernels import compiled
from .media import ImageLike, Source, frame_of, open_source
from .networks import Network, flip_if_asked
from .per_person import PersonStage, changed_stage, open_stage
from .per_person.person_stage import OpenEngine
from .person import missing
from .plan import Plan, changed_following, make_plan, model_parameters
from .refine import Refiner
from .settings import Settings, flatten, require_live, split_groups, updated
from .tracking import Following, PeopleFollower
from .types import Frame, Result, Wanted

__all__ = ["Model", "at_once", "load", "open_model"]

R = TypeVar("R")

_log = logging.getLogger(__name__)

#: Fields that refinement reads and writes.
_REFINED: Final = Wanted.PERSON | Wanted.CONFIDENCE


class Model:
    """A loaded network, as returned by `load`; call it with an image. Close it, or use it in a `with` block.

    Several threads may share a model; it processes one frame at a time.
    network, refiner, following, stage: may be replaced between frames, to change live settings. stage: the second
    network, which runs on each person; None without one.

    >>> model = bodyseg.load()
    >>> model(image)
    Result 320×320: 1 person, person 51 %, confidence, parts, instances
    """

    def __init__(
        self,
        network: Network,
        engine: Engine,
        refiner: Refiner | None = None,
        following: Following | None = None,
        stage: PersonStage | None = None,
    ) -> None:
        self.network = network
        self.engine = engine
        self.refiner = refiner or Refiner()
        self.following = following or Following()
        self.stage = stage
        self._skipper = FrameSkipper()
        self._one_at_a_time = threading.Lock()

    def __repr__(self) -> str:
        second = f", then {self.stage.network.card.name} per person" if self.stage else ""
        return f"<Model {self.network.card.name}{second}: {self.engine.name} on {self.engine.device}>"

    @property
    def offers(self) -> Wanted:
        """What the networks compute with their settings; other fields of a Result are None.

        >>> bodyseg.Wanted.POSES in model.offers
        True
        """
        return self.stage.add_to(self.network.offers) if self.stage else self.network.offers

    @property
    def engines(self) -> tuple[Engine, ...]:
        """The engines of all networks: one, or two with a second network per person.

        >>> len(model.engines)
        1
        """
        return (self.engine, self.stage.engine) if self.stage else (self.engine,)

    @overload
    def segment(self, image: ImageLike, wanted: Wanted = ...) -> Result: ...

    @overload
    def segment(self, image: list[Any] | tuple[Any, ...], wanted: Wanted = ...) -> list[Result]: ...

    def segment(
        self, image: ImageLike | list[Any] | tuple[Any, ...], wanted: Wanted = Wanted.EVERYTHING
    ) -> Result | list[Result]:
        """Find people in an image; a list of images returns a list of results. `model(image)` is the same.

        image: (H, W, 3) uint8 RGB, (H, W) gray, (H, W, 4) RGBA (blended over black), a PIL image, a path to a photo,
        or a Frame. OpenCV images are BGR: pass `image[..., ::-1]`. wanted: outputs to compute; fewer take less time.
        The result keeps the image as `result.frame.image`. Raises FrameError with the fix for anything else;
        MediaError for an unreadable file; EngineError if the network's output is invalid.

        >>> result = model.segment("photo.jpg", wanted=bodyseg.Wanted.PERSON)
        >>> result
        Result 320×320: person 51 %
        >>> [len(each) for each in model.segment([image, image[:200]])]
        [1, 1]
        """
        if isinstance(image, list | tuple):
            return [self.segment(each, wanted) for each in image]
        frame = frame_of(image)
        return replace(self.run(frame, wanted), frame=frame)

    __call__ = segment

    def stream(self, source: str | Path | int | Source, wanted: Wanted = Wanted.EVERYTHING) -> Iterator[Result]:
        """Find people in a video, a folder of photos or a camera: an iterator of results, one per frame.

        source: a file or folder, a camera number or device, a stream URL, or an open Source. `result.frame` has the
        image, `index` (from 0), `stamp_ns` (ns since the video's start; for a folder, the index) and `frame_id`.
        Raises MediaError at once if nothing can be read, and at the end for damaged parts.

        >>> for result in model.stream("holiday"):
        ...     print(result.frame.index, result.frame.frame_id, len(result))
        0 beach 1
        """
        return (self.segment(frame, wanted) for frame in _frames_of(source))

    def track(
        self, source: str | Path | int | Source | Iterable[ImageLike], wanted: Wanted = Wanted.EVERYTHING
    ) -> Iterator[Result]:
        """As stream(), with ids across frames (`person.id`, `person.state`) and smoothed keypoints.

        source: also images or Frames in order; without stamps, 30 per second is assumed. wanted: POSES is added. The
        parameters `tracker`, `kalman.…` and `smoothing.…` configure tracking. Ids count from 1 and are never reused.
        `result.tracks` also has the people lost in this frame. Raises ResultError if the network does not separate
        people, PluginError for a tracker that cannot be loaded.

        >>> for result in model.track([image, image]):
        ...     print([(person.id, person.state.name) for person in result])
        [(1, 'NEW')]
        [(1, 'TRACKED')]
        """
        if Wanted.POSES not in self.offers:
            raise ResultError(missing("people", "POSES"))
        return self._track(_frames_of(source), PeopleFollower(self.following), wanted | Wanted.POSES)

    def _track(self, frames: Iterable[Frame], follower: PeopleFollower, wanted: Wanted) -> Iterator[Result]:
        for frame in frames:
            follower.use(self.following)
            yield replace(follower.follow(frame, self.run(frame, wanted)), frame=frame)

    def run(self, frame: Frame, wanted: Wanted = Wanted.EVERYTHING) -> Result:
        """Like segment(), for a Frame that the result does not keep; for loops that keep it themselves."""
        with self._one_at_a_time:
            return at_once(self.steps(frame, wanted))

    def steps(self, frame: Frame, wanted: Wanted = Wanted.EVERYTHING) -> Generator[None, None, Result]:
        """As run(), with two yields: before and after the network.

        For loops that overlap frames, interleaving their steps. There is no lock: call from one thread at a time, and
        decode in frame order. A new network or refiner applies to frames that start later.
        """
        network, refiner, stage = self.network, self.refiner, self.stage
        refined = refiner.is_on and bool(wanted & _REFINED)
        if refined:
            wanted |= _REFINED
        made_by = network, stage
        gap_s, cut = refiner.settings.max_gap, refiner.settings.cut
        kept = self._skipper.recall(frame, wanted, made_by, network.settings, max_gap_s=gap_s, cut=cut)
        if kept:
            yield
            yield
            result = kept.at(frame, wanted, network.settings)
        else:
            result = yield from self._look(frame, wanted, network, stage)
            self._skipper.keep(frame, wanted, made_by, network.settings, result)
        result = flip_if_asked(result, network.settings)
        return refiner.refine(frame, result, network.settings) if refined else result

    def _look(
        self, frame: Frame, wanted: Wanted, network: Network, stage: PersonStage | None
    ) -> Generator[None, None, Result]:
        """Run the network, and the second one, if any."""
        prepared = network.prepare(frame)
        yield
        first = wanted | Wanted.POSES if stage else wanted  # the second network runs on the people of the first
        maps = network.maps_wanted(prepared, first) if self.engine.makes_maps else None
        outputs = self.engine.run(prepared.tensor, maps)
        yield
        result = network.decode(outputs, prepared, first)
        return stage.look_closer(frame, result, wanted) if stage else result

    def configure(self, **parameters: Any) -> None:
        """Change live parameters of the network, of tracking, and with `refine={...}` of the refinement.

        They apply from the next frame. Raises SettingsError for a parameter that does not exist or is not live, and for
        an invalid value; then nothing changes.

        >>> model.configure(segmentation_threshold=0.5)
        """
        values = flatten(parameters)
        second = type(self.stage.network) if self.stage else None
        require_live(values, model_parameters(self.network.Settings, second))
        root, groups = split_groups(values)
        with self._one_at_a_time:
            network = updated(self.network.settings, root)
            refine = updated(self.refiner.settings, groups.get("refine", {}), prefix="refine")
            following = changed_following(self.following, root, groups)
            if self.stage:
                self.stage = self.stage.with_plan(changed_stage(self.stage.plan, groups.get("per_person", {})))
            self.network = self.network.with_settings(network)
            self.refiner = self.refiner.with_settings(refine)
            self.following = following

    def restart(self) -> None:
        """Forget earlier frames: the next one is the first of another video or camera.

        >>> model.restart()
        """
        network, refiner = self.network, self.refiner
        with self._one_at_a_time:
            self.network = type(network)(network.card, network.settings, network.output_stride)
            self.refiner = Refiner(refiner.settings)
            self._skipper = FrameSkipper()

    def close(self) -> None:
        """Release the engine's memory after the current frame."""
        with self._one_at_a_time:
            for engine in self.engines:
                engine.close()

    def __enter__(self) -> Model:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _frames_of(source: str | Path | int | Source | Iterable[ImageLike]) -> Iterator[Frame]:
    """Yield frames with their index. Raises MediaError at once if nothing can be read."""
    opened = open_source(str(source)) if isinstance(source, str | Path | int) else source
    return _numbered(opened)


def _numbered(source: Source | Iterable[ImageLike]) -> Iterator[Frame]:
    with source if isinstance(source, Source) else nullcontext(source) as images:
        for index, image in enumerate(images):
            yield replace(frame_of(image), index=index)


def at_once(steps: Generator[None, None, R]) -> R:
    """Run all steps and return the result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:  # noqa: PERF203 - three steps are few
            return end.value  # type: ignore[no-any-return]


def load(model: str | None = None, **parameters: Any) -> Model:
    """Load a network by the name of its card, with any parameters that `bodyseg params` lists.

    model: a name from `bodyseg models list`; None: the shipped network.
    `load("bodypix-mobilenet-050", output_stride=8, tensorflow={"device": "cpu"})`: an engine's parameters are a group.
    Raises SettingsError, ModelNotFoundError, ModelFileError or PluginError.

    >>> model = bodyseg.load("bodyseg-mobilenet-075", segmentation_threshold=0.5)
    """
    if model is not None:
        parameters["model"] = model
    return open_model(make_plan(flatten(parameters), Settings))


def open_model(plan: Plan[Any], progress: Progress | None = None, open_engine: OpenEngine = open_engine) -> Model:
    """Open the model of a plan: find or download its files and open the engines.

    progress: download callback. open_engine: replaces the function that opens engines, to share them.
    """
    if compiled.LIBRARY is None:
        _log.warning(
            "The C kernels were not built; NumPy decodes many times slower. Install a C compiler and reinstall "
            "bodyseg_ros."
        )
    card, source = find_model(plan.card, plan.model, progress)
    network = plan.network_class(card, plan.network, plan.model.output_stride)
    if plan.per_person and Wanted.POSES not in network.offers:
        raise SettingsError(
            f"Parameter per_person.model is {plan.per_person.card.name!r}, but the first network, {card.name}, finds "
            "no people with keypoints to run it on; set model to one that does, such as movenet-multipose."
        )
    engine = open_engine(plan.model.engine, source, plan.engines, plan.model.threads)
    stage = open_stage(plan.per_person, plan.engines, progress, open_engine) if plan.per_person else None
    return Model(network, engine, Refiner(plan.refine), plan.following, stage)
