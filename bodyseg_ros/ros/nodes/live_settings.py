"""The node's settings that may change between two frames."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field, replace

from ...effects import Effect, load_effects, needs_of
from ...errors import SettingsError, quote
from ...events import EventSettings
from ...per_person import StagePlan
from ...plan import Plan
from ...refine import RefineSettings
from ...settings import Settings
from ...tracking import Following
from ...types import Wanted
from .node_settings import NodeSettings

__all__ = ["LiveSettings", "live_settings"]


@dataclass(frozen=True)
class LiveSettings:
    """One consistent set of settings; a change makes a new set, which the worker uses from the next frame on."""

    settings: NodeSettings
    network: Settings
    refine: RefineSettings
    overlay: tuple[Effect, ...]
    composite: tuple[Effect, ...]
    following: Following = field(default_factory=Following)
    events: EventSettings = field(default_factory=EventSettings)
    per_person: StagePlan | None = None
    skeleton: tuple[Effect, ...] = ()

    def check(self, offers: Wanted, changed: Container[str]) -> None:
        """Raise SettingsError if a newly chosen effect reads something that the network does not compute."""
        for parameter, chain in (("overlay_effects", self.overlay), ("effects", self.composite)):
            if parameter in changed and needs_of(chain) & ~offers:
                names = list(getattr(self.settings, parameter))
                raise SettingsError(
                    f"Parameter {parameter} is {quote(names)}, but the network does not compute what they need."
                )

    def within(self, offers: Wanted) -> LiveSettings:
        """Remove effects from the default overlay that read something the network does not compute."""
        shown = tuple(effect for effect in self.overlay if effect.needs in offers)
        by_default = self.settings.overlay_effects == NodeSettings.model_fields["overlay_effects"].default
        return replace(self, overlay=shown) if shown and by_default else self


def live_settings(plan: Plan[NodeSettings], before: LiveSettings | None = None) -> LiveSettings:
    """Make the live part of a plan, with its effects; live parameters of `before` that do not change are kept.

    Raises SettingsError for an unknown effect.
    """
    own = plan.own
    overlay = load_effects("overlay_effects", own.overlay_effects, plan.effects, before.overlay if before else ())
    return LiveSettings(
        own,
        plan.network,
        plan.refine,
        overlay,
        load_effects("effects", own.effects, plan.effects, before.composite if before else ()),
        plan.following,
        plan.events,
        plan.per_person,
        # The overlay's, if it has one: skeletons keep no state.
        load_effects("skeleton", ("skeleton",), plan.effects, overlay),
    )
