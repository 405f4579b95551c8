"""The recipe: frame → prepare → run → decode → result."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, TypeVar, overload

from .catalog import Card, Progress, choose_card, find_model
from .engines import Engine, open_engine
from .errors import SettingsError
from .formats import ModelSource
from .kernels import library
from .media import ImageLike, Source, frame_of, open_source
from .networks import Network
from .plugins import load_plugin, plugin_names
from .refine import Refiner, RefineSettings
from .settings import ModelSettings, Settings, build, flatten, split_groups, take, unknown_parameter
from .types import Frame, Result, Wanted

__all__ = ["Model", "at_once", "load"]

R = TypeVar("R")

_log = logging.getLogger(__name__)

OpenEngine = Callable[[str, ModelSource, Mapping[str, Mapping[str, Any]], int], Engine]
#: What refinement reads and makes.
_REFINED: Final = Wanted.PERSON | Wanted.CONFIDENCE


class Model:
    """One loaded network, as `load` gives it; call it with an image. Close it, or use it in a `with` block.

    Several threads may use one model: frames are then done one after the other.
    network, refiner: may be swapped between two frames, for ones with other live settings.

    >>> model = bodyseg.load()
    >>> model(image)
    Result 320×320: 1 person, person 51 %, confidence, parts, instances
    """

    def __init__(self, network: Network, engine: Engine, refiner: Refiner | None = None) -> None:
        self.network = network
        self.engine = engine
        self.refiner = refiner or Refiner()
        self._one_at_a_time = threading.Lock()

    def __repr__(self) -> str:
        return f"<Model {self.network.card.name}: {self.engine.name} on {self.engine.device}>"

    @overload
    def segment(self, image: ImageLike, wanted: Wanted = ...) -> Result: ...

    @overload
    def segment(self, image: list[Any] | tuple[Any, ...], wanted: Wanted = ...) -> list[Result]: ...

    def segment(
        self, image: ImageLike | list[Any] | tuple[Any, ...], wanted: Wanted = Wanted.EVERYTHING
    ) -> Result | list[Result]:
        """See the people in an image; of a list of images, a list of results. `model(image)` is the same.

        image: (H, W, 3) uint8 RGB, (H, W) grey, (H, W, 4) RGBA (what is see-through lies over black), a PIL image, a
        path to a photo, or a Frame. What OpenCV reads is blue-green-red: give `image[..., ::-1]`.
        wanted: what to compute; less takes less time.
        The result keeps the image as `result.frame.image`. Raises FrameError for anything else, with the line that
        mends it; MediaError for a file that cannot be read; EngineError where the network's answer is unusable.

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
        """See the people in a video, a folder of photos or a camera: an iterator of results, one frame at a time.

        source: a file or folder, a camera's number or device, a stream's address, or an open Source.
        `result.frame` has the picture, its place (`index`, from 0), `stamp_ns` (ns since the video's start; of a
        folder, the place) and `frame_id`. Raises MediaError at once where nothing can be read, and at the end for
        what was damaged.

        >>> for result in model.stream("holiday"):
        ...     print(result.frame.index, result.frame.frame_id, len(result))
        0 beach 1
        """
        opened = open_source(str(source)) if isinstance(source, str | Path | int) else source
        return self._stream(opened, wanted)

    def _stream(self, source: Source, wanted: Wanted) -> Iterator[Result]:
        with source:
            for index, frame in enumerate(source):
                yield self.segment(replace(frame, index=index), wanted)

    def run(self, frame: Frame, wanted: Wanted = Wanted.EVERYTHING) -> Result:
        """As segment(), of a frame, which the result does not keep: for loops that have it at hand."""
        with self._one_at_a_time:
            return at_once(self.steps(frame, wanted))

    def steps(self, frame: Frame, wanted: Wanted = Wanted.EVERYTHING) -> Generator[None, None, Result]:
        """As run(), cut by two yields into what comes before the network, the network, and what comes after.

        For a loop that overlaps frames: between the steps of one, those of others may be done. Nothing is locked here:
        each step from one thread at a time, decoding in the frames' order. A swap of network or refiner counts for
        frames that begin after it.
        """
        network, refiner = self.network, self.refiner
        refined = refiner.is_on and bool(wanted & _REFINED)
        if refined:
            wanted |= _REFINED
        prepared = network.prepare(frame)
        yield
        maps = network.maps_wanted(prepared, wanted) if self.engine.makes_maps else None
        outputs = self.engine.run(prepared.tensor, maps)
        yield
        result = network.decode(outputs, prepared, wanted)
        return refiner.refine(frame, result, network.settings) if refined else result

    def configure(self, **parameters: Any) -> None:
        """Change live parameters of the network, and with `refine={...}` of the refinement; counts from the next frame.

        Raises SettingsError for a parameter that does not exist, or one that is read only when the model is loaded.

        >>> model.configure(segmentation_threshold=0.5)
        """
        with self._one_at_a_time:
            refine = self.refiner.settings.model_dump() | parameters.pop("refine", {})
            refined = build(RefineSettings, refine, prefix="refine")
            have = self.network.settings.model_dump()
            self.network = self.network.with_settings(build(self.network.Settings, have | parameters))
            self.refiner = self.refiner.with_settings(refined)

    def close(self) -> None:
        """Give the engine's memory back, after the frame that is being done."""
        with self._one_at_a_time:
            self.engine.close()

    def __enter__(self) -> Model:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def at_once(steps: Generator[None, None, R]) -> R:
    """Every step of it, one after the other, and what it returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:  # noqa: PERF203 - three steps are few
            return end.value  # type: ignore[no-any-return]


def load(model: str | None = None, **parameters: Any) -> Model:
    """Load a network by the name of its card, with any parameters that `bodyseg params` lists.

    model: a name that `bodyseg models list` shows; None takes the best one that is on this machine.
    `load("bodypix-mobilenet-050", output_stride=8, tensorflow={"device": "cpu"})`: an engine's parameters are a group.
    Raises SettingsError, ModelNotFoundError, ModelFileError or PluginError, each with a sentence that says why.

    >>> model = bodyseg.load("bodyseg-mobilenet-050", segmentation_threshold=0.5)
    """
    if model is not None:
        parameters["model"] = model
    return load_from(flatten(parameters))


def load_from(
    values: Mapping[str, Any], progress: Progress | None = None, open_engine: OpenEngine = open_engine
) -> Model:
    """Load a network from parameters by their dotted names; an unknown name is refused.

    progress: told of a download's bytes. open_engine: where engines come from, if they are not one's own.
    """
    root, groups = split_groups(values)
    chosen = take(root, ModelSettings)
    card, source = _files(chosen, progress)
    network_class = load_plugin("networks", card.network if chosen.network == "auto" else chosen.network)
    options: Settings = take(root, network_class.Settings)
    if root:
        known = [*ModelSettings.model_fields, *network_class.Settings.model_fields]
        raise SettingsError(unknown_parameter(next(iter(root)), known, f"The model {card.name} has"))
    refine = build(RefineSettings, groups.pop("refine", {}), prefix="refine")
    for group in groups:
        if group not in (*plugin_names("engines"), *plugin_names("effects")):
            name = f"{group}.{next(iter(groups[group]))}"
            raise SettingsError(unknown_parameter(name, [f"{plugin}.*" for plugin in plugin_names("engines")]))
    if library.KERNELS is None:
        _log.warning(
            "No kernels were built, so NumPy decodes, many times slower. Install a C compiler, then bodyseg_ros again."
        )
    network: Network = network_class(card, options, chosen.output_stride)
    return Model(network, open_engine(chosen.engine, source, groups, chosen.threads), Refiner(refine))


def _files(chosen: ModelSettings, progress: Progress | None) -> tuple[Card, ModelSource]:
    """The card and its files; an engine that needs none gets none."""
    if chosen.engine != "auto" and "none" in load_plugin("engines", chosen.engine).formats:
        return choose_card(chosen), ModelSource(Path(), "none", output_stride=chosen.output_stride)
    return find_model(chosen, progress)
