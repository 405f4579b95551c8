"""The recipe: frame → prepare → run → decode → result."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Mapping
from types import TracebackType
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from .catalog import Progress, find_model
from .engines import Engine, MakesMaps, open_engine
from .formats import ModelSource
from .kernels import library
from .networks import Network, TakesMaps
from .plan import Plan, make_plan, model_parameters
from .refine import Refiner
from .settings import Settings, flatten, require_live, split_groups, updated
from .types import Frame, Prepared, Result, Wanted

__all__ = ["Model", "at_once", "load", "open_model"]

R = TypeVar("R")

_log = logging.getLogger(__name__)

OpenEngine = Callable[[str, ModelSource, Mapping[str, Settings], int], Engine]
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
        outputs = self._outputs(network, prepared, wanted)
        yield
        result = network.decode(outputs, prepared, wanted)
        return refiner.refine(frame, result, network.settings) if refined else result

    def _outputs(self, network: Network, prepared: Prepared, wanted: Wanted) -> Mapping[str, NDArray[Any]]:
        """The network's tensors; where engine and network can, with maps made on the engine's device."""
        engine = self.engine
        if isinstance(engine, MakesMaps) and engine.makes_maps and isinstance(network, TakesMaps):
            return engine.run(prepared.tensor, network.maps_wanted(prepared, wanted))
        return engine.run(prepared.tensor)

    def segment(self, image: NDArray[np.uint8], wanted: Wanted = Wanted.EVERYTHING) -> Result:
        """See the people in a picture, (H, W, 3) uint8 RGB. Raises FrameError for anything else."""
        return self.run(Frame(image), wanted)

    def configure(self, **parameters: Any) -> None:
        """Change live parameters of the network, and with `refine={...}` of the refinement.

        Raises SettingsError for a parameter that does not exist or is read when the model is loaded, and for a value
        that is not allowed; then nothing changes.
        """
        values = flatten(parameters)
        require_live(values, model_parameters(self.network.Settings))
        root, groups = split_groups(values)
        network = updated(self.network.settings, root)
        refine = updated(self.refiner.settings, groups.get("refine", {}), prefix="refine")
        self.network = self.network.with_settings(network)
        self.refiner = self.refiner.with_settings(refine)

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
    return open_model(make_plan(flatten(parameters), Settings))


def open_model(plan: Plan[Any], progress: Progress | None = None, open_engine: OpenEngine = open_engine) -> Model:
    """The model that a plan describes: its files are found or downloaded, its engine opened.

    progress: told of a download's bytes. open_engine: where engines come from, if they are not one's own.
    """
    if library.KERNELS is None:
        _log.warning(
            "No kernels were built, so NumPy decodes, many times slower. Install a C compiler, then bodyseg_ros again."
        )
    card, source = find_model(plan.card, plan.model, progress)
    network = plan.network_class(card, plan.network, plan.model.output_stride)
    engine = open_engine(plan.model.engine, source, plan.engines, plan.model.threads)
    return Model(network, engine, Refiner(plan.refine))
