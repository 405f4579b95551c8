"""The second stage: run a network on each person of a result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..catalog import Progress, find_model
from ..engines import Engine
from ..errors import EngineError
from ..formats import ModelSource
from ..networks import Network
from ..settings import Settings
from ..types import Frame, Prepared, Result, Wanted
from .placing import Close, place
from .stage_plan import StagePlan
from .windows import window_around

__all__ = ["OpenEngine", "PersonStage", "open_stage"]

OpenEngine = Callable[[str, ModelSource, Mapping[str, Settings], int], Engine]
#: Fields that the second network can fill.
_FILLED: Final = Wanted.PERSON | Wanted.CONFIDENCE | Wanted.PARTS | Wanted.POSES | Wanted.INSTANCES
_MASKS: Final = Wanted.PERSON | Wanted.CONFIDENCE | Wanted.PARTS | Wanted.INSTANCES


class PersonStage:
    """A second network and its engine. plan: the settings in force."""

    def __init__(self, plan: StagePlan, network: Network, engine: Engine) -> None:
        self.plan, self.network, self.engine = plan, network, engine

    def with_plan(self, plan: StagePlan | None) -> PersonStage:
        """The same network under other live settings."""
        if plan is None or plan is self.plan:
            return self
        return PersonStage(plan, self.network.with_settings(plan.network), self.engine)

    def add_to(self, offers: Wanted) -> Wanted:
        """What both stages together compute if the first one computes `offers`."""
        own = self.network.offers & _FILLED
        if own & Wanted.PERSON:
            return (offers & ~Wanted.CONFIDENCE) | own | Wanted.INSTANCES
        return offers | (own & Wanted.POSES)

    def look_closer(self, frame: Frame, first: Result, wanted: Wanted) -> Result:
        """Run the network on each person of the first result, and merge its results.

        first: with poses. Raises EngineError if an output does not fit.
        """
        asked = self._asked(wanted)
        if not asked or first.poses is None:
            return first
        settings, size = self.plan.settings, self.network.card.input_size
        aspect = None if size is None else size[1] / size[0]
        people = []
        for person in list(first)[: settings.max_people]:
            left, top, right, bottom = person.box
            if max(right - left, bottom - top) >= settings.min_size_px:
                people.append((person, window_around(person.box, settings.margin, aspect, settings.size_px)))
        # Frames without a stamp are in no order, and a network that remembers the last frame must not mix up people.
        prepared = [
            self.network.prepare(Frame(window.cut_out(frame.image), frame_id=frame.frame_id)) for _, window in people
        ]
        outputs = self._run(prepared)
        found = [self.network.decode(*pair, asked) for pair in zip(outputs, prepared, strict=True)]
        close = [Close(person, window, result) for (person, window), result in zip(people, found, strict=True)]
        return place(first, close, self.network.offers & asked, wanted)

    def _asked(self, wanted: Wanted) -> Wanted:
        """Outputs that the second network must compute; none if it makes nothing that is wanted."""
        offers = self.network.offers & _FILLED
        asked = wanted & offers
        if wanted & _MASKS and offers & Wanted.PERSON:
            # To separate the window's person from others in it.
            asked |= Wanted.PERSON | offers & (Wanted.POSES | Wanted.INSTANCES)
        return asked if offers & Wanted.PERSON else asked & Wanted.POSES

    def _run(self, prepared: Sequence[Prepared]) -> list[Mapping[str, NDArray[Any]]]:
        """The network's outputs for each tensor; in one batch if the engine accepts one."""
        tensors = [each.tensor for each in prepared]
        alike = len({tensor.shape for tensor in tensors}) == 1
        facts = self.engine.input
        if len(tensors) < 2 or not alike or facts is None or facts.shape[0] is not None:
            return [self.engine.run(tensor) for tensor in tensors]
        outputs = self.engine.run(np.concatenate(tensors))
        for name, array in outputs.items():
            if array.shape[:1] != (len(tensors),):
                raise EngineError(
                    f"The network {self.network.card.name} was given {len(tensors)} people at once, but its output "
                    f"{name!r} is {array.shape}; use a file that is made for one image, or for any number."
                )
        return [{name: array[place : place + 1] for name, array in outputs.items()} for place in range(len(tensors))]


def open_stage(
    plan: StagePlan, engines: Mapping[str, Settings], progress: Progress | None, open_engine: OpenEngine
) -> PersonStage:
    """Open the second network of a plan: find or download its files and open its engine."""
    card, source = find_model(plan.card, plan.model, progress)
    network = plan.network_class(card, plan.network, plan.model.output_stride)
    engine = open_engine(plan.model.engine, source, engines, plan.model.threads)
    return PersonStage(replace(plan, card=card), network, engine)
