"""The recipe: frame → prepare → run → decode → result."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from .catalog import Card, Progress, choose_card, find_model
from .engines import Engine, open_engine
from .errors import SettingsError
from .formats import ModelSource
from .kernels import library
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
    """One loaded network, ready for frames; use it from one thread at a time.

    network, refiner: may be swapped between two frames, for ones with other live settings.
    """

    def __init__(self, network: Network, engine: Engine, refiner: Refiner | None = None) -> None:
        self.network = network
        self.engine = engine
        self.refiner = refiner or Refiner()

    def run(self, frame: Frame, wanted: Wanted = Wanted.EVERYTHING) -> Result:
        """What is wanted of one frame. Raises EngineError where the network's answer is unusable."""
        return at_once(self.steps(frame, wanted))

    def steps(self, frame: Frame, wanted: Wanted = Wanted.EVERYTHING) -> Generator[None, None, Result]:
        """As run(), cut by two yields into what comes before the network, the network, and what comes after.

        Between its steps, those of other frames may be done; each step from one thread at a time, decoding in the
        frames' order. A swap of network or refiner counts for frames that begin after it.
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

    def segment(self, image: NDArray[np.uint8], wanted: Wanted = Wanted.EVERYTHING) -> Result:
        """See the people in a picture, (H, W, 3) uint8 RGB. Raises FrameError for anything else."""
        return self.run(Frame(image), wanted)

    def configure(self, **parameters: Any) -> None:
        """Change live parameters of the network, and with `refine={...}` of the refinement. Raises SettingsError."""
        refine = self.refiner.settings.model_dump() | parameters.pop("refine", {})
        refined = build(RefineSettings, refine, prefix="refine")
        have = self.network.settings.model_dump()
        self.network = self.network.with_settings(build(self.network.Settings, have | parameters))
        self.refiner = self.refiner.with_settings(refined)

    def close(self) -> None:
        """Give the engine's memory back."""
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

    `load("bodypix-mobilenet-050", output_stride=8, segmentation_threshold=0.5, tensorflow={"device": "cpu"})`.
    Raises SettingsError, ModelNotFoundError, ModelFileError or PluginError, each with a sentence that says why.
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
