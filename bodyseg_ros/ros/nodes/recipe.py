"""Parameters to a loaded network and its effects, and one frame through them: what node and bag share."""

from __future__ import annotations

from collections.abc import Container, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...catalog import choose_card
from ...effects import Effect
from ...errors import MissingDependencyError, PluginError, SettingsError
from ...model import at_once, load_from
from ...networks import Network
from ...plugins import load_plugin, loadable_plugins, plugin_names
from ...refine import RefineSettings
from ...settings import ModelSettings, Parameter, Settings, build, parameters, split_groups, take
from ...types import Frame, Result, Wanted
from .node_settings import NodeSettings
from .shared import Shared

__all__ = [
    "Choices",
    "Recipe",
    "load_effects",
    "model_parameters",
    "needs_of",
    "node_parameters",
    "parameters_of",
    "plugin_parameters",
    "read_choices",
]

#: A picture of a usual size, so that the first real frame finds everything allocated.
_WARM_UP = np.zeros((480, 640, 3), np.uint8)


@dataclass(frozen=True)
class Choices:
    """Everything that may change between two frames."""

    settings: NodeSettings
    network: Settings
    refine: RefineSettings
    overlay: tuple[Effect, ...]
    composite: tuple[Effect, ...]

    def check(self, offers: Wanted, changed: Container[str]) -> None:
        """Raise SettingsError where an effect just chosen reads what the network does not compute."""
        for parameter, chain in (("overlay_effects", self.overlay), ("effects", self.composite)):
            if parameter in changed and needs_of(chain) & ~offers:
                names = list(getattr(self.settings, parameter))
                raise SettingsError(
                    f"Parameter {parameter} is {names!r}, but the network does not compute what they need."
                )

    def within(self, offers: Wanted) -> Choices:
        """Leave those of the default overlay's effects out that read what the network does not compute."""
        shown = tuple(effect for effect in self.overlay if effect.needs in offers)
        by_default = self.settings.overlay_effects == NodeSettings.model_fields["overlay_effects"].default
        return replace(self, overlay=shown) if shown and by_default else self


def node_parameters(values: Mapping[str, Any]) -> list[Parameter]:
    """Every parameter of the node `bodyseg`, for the network that `values` choose.

    The node's, the model's and the network's stand at the root; each engine's and effect's under its name, those of
    the refinement under `refine`.
    """
    own, refine = parameters(NodeSettings), parameters(RefineSettings, "refine")
    return [*own, *model_parameters(values), *refine, *plugin_parameters("effects")]


def model_parameters(values: Mapping[str, Any]) -> list[Parameter]:
    """The parameters of the model, of the network that `values` choose, and of each engine under its name."""
    root = [*parameters(ModelSettings), *parameters(_network_class(values).Settings)]
    # An engine is opened once, whatever of it could change.
    return root + [replace(parameter, live=False) for parameter in plugin_parameters("engines")]


def plugin_parameters(kind: str) -> Iterator[Parameter]:
    """The parameters of every plugin of a kind that can be imported, under the plugins' names."""
    for name, plugin in loadable_plugins(kind):
        yield from parameters(plugin.Settings, name)


def parameters_of(kind: str, name: str, prefix: str = "") -> Iterator[Parameter]:
    """One plugin's; none where its package is missing: whoever chooses it reads what to install."""
    with suppress(MissingDependencyError):
        yield from parameters(load_plugin(kind, name).Settings, prefix)


def _network_class(values: Mapping[str, Any]) -> type[Network]:
    model = take(dict(values), ModelSettings)
    name = choose_card(model).network if model.network == "auto" else model.network
    network: type[Network] = load_plugin("networks", name)
    return network


def read_choices(
    values: Mapping[str, Any], network: type[Settings] | None = None, before: Choices | None = None
) -> Choices:
    """Check the values of what may change between two frames. Raises SettingsError.

    network: the chosen network's settings, once they are known. before: the choices until now.
    """
    root, groups = split_groups(values)
    settings = take(root, NodeSettings)
    for name in groups.keys() & plugin_names("effects"):
        build(load_plugin("effects", name).Settings, groups[name], prefix=name)  # also of effects not chosen now
    return Choices(
        settings,
        take(root, network or _network_class(values).Settings),
        build(RefineSettings, groups.get("refine", {}), prefix="refine"),
        load_effects("overlay_effects", settings.overlay_effects, groups, before.overlay if before else ()),
        load_effects("effects", settings.effects, groups, before.composite if before else ()),
    )


def load_effects(
    parameter: str,
    names: Sequence[str],
    groups: Mapping[str, Mapping[str, Any]],
    before: Sequence[Effect] = (),
) -> tuple[Effect, ...]:
    """The effects that `parameter` names, each with the settings under its name. Raises SettingsError.

    before: the chain until now; of it an effect whose settings stay the same lives on, with what it has learnt.
    """
    chain, there = [], list(before)
    for name in names:
        try:
            effect = load_plugin("effects", name)
        except PluginError as err:
            raise SettingsError(f"Parameter {parameter} is {list(names)!r}, but it must name effects. {err}") from err
        settings = build(effect.Settings, groups.get(name, {}), prefix=name)
        same = [one for one in there if type(one) is effect and getattr(one, "settings", None) == settings]
        if same:
            there.remove(same[0])
        chain.append(same[0] if same else effect(settings))
    return tuple(chain)


def needs_of(chain: Sequence[Effect]) -> Wanted:
    """What the effects of a chain read of a result."""
    needs = Wanted.NOTHING
    for effect in chain:
        needs |= effect.needs
    return needs


class Recipe:
    """A loaded network with its choices; run() belongs to one thread, `choices` may be set from another.

    values: parameters by dotted name. shared: with whom the network is shared. Raises what `load` raises.
    """

    def __init__(self, values: Mapping[str, Any], shared: Shared | None = None) -> None:
        self.choices = self._used = read_choices(values)
        own = NodeSettings.model_fields
        chosen = {name: value for name, value in values.items() if name not in own}
        self._shared = shared or Shared()
        self._pipeline = load_from(chosen, open_engine=self._shared.open_engine)
        network = self._pipeline.network
        self.model, self.classes = network.card.name, network.card.classes
        # What it can compute, also where a live option switches it off just now.
        self.offers = network.with_settings(network.Settings()).offers
        self.choices = self._used = self.choices.within(self.offers)
        engine = self._pipeline.engine
        self.engine, self.device, self.turns = engine.name, engine.device, self._shared.turns_at(engine)
        overlap = self.choices.settings.overlap
        #: Whether frames may be prepared and decoded while another is in the network.
        self.overlaps = not network.needs_previous and (
            overlap == "always" or (overlap == "auto" and engine.leaves_cpu)
        )

    def warm_up(self) -> None:
        """Run once on an empty picture."""
        self._pipeline.run(Frame(_WARM_UP), self.offers)
        if self.learns_background:
            self.capture_background()  # the empty picture is not what the camera sees

    @property
    def learns_background(self) -> bool:
        """Whether capture_background() does something."""
        return self._pipeline.network.learns_background

    def capture_background(self) -> None:
        """Have the network learn from the next frames how the view looks without people; from any thread."""
        self._pipeline.network.capture_background()

    def run(self, choices: Choices, frame: Frame, wanted: Wanted) -> Result:
        """One frame, under the choices given; where nothing is wanted, the network is not asked."""
        return at_once(self.steps(choices, frame, wanted))

    def steps(self, choices: Choices, frame: Frame, wanted: Wanted) -> Generator[None, None, Result]:
        """As run(), cut as Model.steps() is."""
        if not wanted & self.offers:
            yield  # it goes the way of the others, so that none comes out before an older one
            yield
            return Result(frame.size)
        pipeline = self._pipeline
        if choices is not self._used:
            pipeline.network = pipeline.network.with_settings(choices.network)
            pipeline.refiner = pipeline.refiner.with_settings(choices.refine)
            self._used = choices
        return (yield from pipeline.steps(frame, wanted & self.offers))

    def close(self) -> None:
        """Give the engine's memory back, if nobody else uses it."""
        self._shared.close(self._pipeline.engine)
