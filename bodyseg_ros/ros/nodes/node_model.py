"""The model as nodes and bags run it: shared with other cameras, with settings that may change between frames."""

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

#: A common image size, so that buffers are allocated before the first real frame.
_WARM_UP = np.zeros((480, 640, 3), np.uint8)


class NodeModel:
    """The model of a plan; run() must be called from one thread.

    shared: whom to share the network with. Raises what open_model() raises.
    """

    def __init__(self, plan: Plan[Any], shared: Shared | None = None) -> None:
        self._shared = shared or Shared()
        self._model = open_model(plan, open_engine=self._shared.open_engine)
        self._used: Plan[Any] | LiveSettings = plan
        network = self._model.network
        self.name, self.classes = network.card.name, network.card.classes
        # Everything the network can compute, including what a live option disables now. Defaults need no validation.
        offers, stage = network.with_settings(type(plan.network).model_construct()).offers, self._model.stage
        self.offers = stage.add_to(offers) if stage else offers
        self._follower = PeopleFollower(plan.following) if Wanted.POSES in self.offers else None
        engine = self._model.engine
        self.engine, self.device, self.turns = engine.name, engine.device, self._shared.turns_at(engine)
        #: Whether the CPU is idle while a frame is in the network.
        self.leaves_cpu = engine.leaves_cpu

    @property
    def needs_previous(self) -> bool:
        """Whether a frame may be prepared only after the previous one was decoded."""
        network = self._model.network
        return network.needs_previous or getattr(network.settings, "frame_skip", 1) > 1

    def warm_up(self) -> None:
        """Run once on an empty image."""
        self._model.run(Frame(_WARM_UP), self.offers)
        if self.learns_background:
            self.capture_background()  # the empty image is not from the camera

    @property
    def learns_background(self) -> bool:
        """Whether capture_background() has an effect."""
        return self._model.network.learns_background

    def capture_background(self) -> None:
        """Learn the view without people from the next frames. Thread-safe."""
        self._model.network.capture_background()

    def run(self, settings: Plan[Any] | LiveSettings, frame: Frame, wanted: Wanted) -> Result:
        """Process one frame with the given settings; the network runs only if something is wanted.

        People are tracked from frame to frame if poses or instances are wanted.
        """
        return at_once(self.steps(settings, frame, wanted))

    def steps(self, settings: Plan[Any] | LiveSettings, frame: Frame, wanted: Wanted) -> Generator[None, None, Result]:
        """Like run(), split like Model.steps()."""
        if not wanted & self.offers:
            yield  # takes the same path as other frames, so that it does not overtake an older one
            yield
            return Result(frame.size)
        model = self._model
        if settings is not self._used:
            model.network = model.network.with_settings(settings.network)
            model.refiner = model.refiner.with_settings(settings.refine)
            model.stage = model.stage and model.stage.with_plan(settings.per_person)
            self._used = settings
        result = yield from model.steps(frame, wanted & self.offers)
        if self._follower is None:
            return result
        self._follower.use(settings.following)
        return self._follower.follow(frame, result)

    def close(self) -> None:
        """Release the memory of engines that nobody else uses."""
        for engine in self._model.engines:
            self._shared.close(engine)
