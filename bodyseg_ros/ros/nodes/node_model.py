"""A model as a node or a bag runs it: shared with other cameras, under settings that may change between frames."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np

from ...model import at_once, open_model
from ...plan import Plan
from ...tracking import PeopleFollower
from ...types import Frame, Result, Wanted
from .live_settings import LiveSettings
from .shared import Shared

__all__ = ["NodeModel"]

#: A picture of a usual size, so that the first real frame finds everything allocated.
_WARM_UP = np.zeros((480, 640, 3), np.uint8)


class NodeModel:
    """The model that a plan describes; run() belongs to one thread.

    shared: with whom the network is shared. Raises what open_model() raises.
    """

    def __init__(self, plan: Plan[Any], shared: Shared | None = None) -> None:
        self._shared = shared or Shared()
        self._model = open_model(plan, open_engine=self._shared.open_engine)
        self._used: Plan[Any] | LiveSettings = plan
        network = self._model.network
        self.name, self.classes = network.card.name, network.card.classes
        # What it can compute, also where a live option switches it off just now; defaults need no checking.
        self.offers = network.with_settings(type(plan.network).model_construct()).offers
        self._follower = PeopleFollower(plan.following) if Wanted.POSES in self.offers else None
        engine = self._model.engine
        self.engine, self.device, self.turns = engine.name, engine.device, self._shared.turns_at(engine)
        #: Whether the CPU is free while a frame is in the network.
        self.leaves_cpu = engine.leaves_cpu
        #: Whether a frame may be prepared only after the one before was decoded.
        self.needs_previous = network.needs_previous

    def warm_up(self) -> None:
        """Run once on an empty picture."""
        self._model.run(Frame(_WARM_UP), self.offers)
        if self.learns_background:
            self.capture_background()  # the empty picture is not what the camera sees

    @property
    def learns_background(self) -> bool:
        """Whether capture_background() does something."""
        return self._model.network.learns_background

    def capture_background(self) -> None:
        """Have the network learn from the next frames how the view looks without people; from any thread."""
        self._model.network.capture_background()

    def run(self, settings: Plan[Any] | LiveSettings, frame: Frame, wanted: Wanted) -> Result:
        """One frame, under the settings given; where nothing is wanted, the network is not asked.

        Where poses or instances are wanted, people are tracked from frame to frame.
        """
        return at_once(self.steps(settings, frame, wanted))

    def steps(self, settings: Plan[Any] | LiveSettings, frame: Frame, wanted: Wanted) -> Generator[None, None, Result]:
        """As run(), cut as Model.steps() is."""
        if not wanted & self.offers:
            yield  # it goes the way of the others, so that none comes out before an older one
            yield
            return Result(frame.size)
        model = self._model
        if settings is not self._used:
            model.network = model.network.with_settings(settings.network)
            model.refiner = model.refiner.with_settings(settings.refine)
            self._used = settings
        result = yield from model.steps(frame, wanted & self.offers)
        if self._follower is None:
            return result
        self._follower.use(settings.following)
        return self._follower.follow(frame, result)

    def close(self) -> None:
        """Give the engine's memory back, if nobody else uses it."""
        self._shared.close(self._model.engine)
