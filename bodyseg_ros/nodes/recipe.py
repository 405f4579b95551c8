"""Parameters to a loaded network and its effects, and one frame through them: what node and bag share."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..catalog import choose_card
from ..effects import Effect
from ..errors import MissingDependencyError, PluginError, SettingsError
from ..networks import Network
from ..pipeline import load_from
from ..plugins import load_plugin, plugin_names
from ..settings import ModelSettings, Parameter, Settings, build, parameters, split_groups, take
from ..types import Frame, Result, Wanted
from .settings import NodeSettings

__all__ = ["Choices", "Recipe", "load_effects", "needs_of", "node_parameters", "plugin_parameters", "read_choices"]

#: A picture of a usual size, so that the first real frame finds everything allocated.
_WARM_UP = np.zeros((480, 640, 3), np.uint8)


@dataclass(frozen=True)
class Choices:
    """Everything that may change between two frames."""

    settings: NodeSettings
    network: Settings
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


def node_parameters(values: Mapping[str, Any]) -> list[Parameter]:
    """Every parameter of the node `bodyseg`, for the network that `values` choose.

    The node's, the model's and the network's stand at the root; each engine's and effect's under its name.
    """
    root = [*parameters(NodeSettings), *parameters(ModelSettings), *parameters(_network_class(values).Settings)]
    # An engine is opened once, whatever of it could change.
    engines = [replace(parameter, live=False) for parameter in plugin_parameters("engines")]
    return [*root, *engines, *plugin_parameters("effects")]


def plugin_parameters(kind: str) -> Iterator[Parameter]:
    """The parameters of every plugin of a kind that can be imported, under the plugins' names."""
    for name in plugin_names(kind):
        # Of a plugin whose package is missing, whoever chooses it reads what to install.
        with suppress(MissingDependencyError):
            yield from parameters(load_plugin(kind, name).Settings, name)


def _network_class(values: Mapping[str, Any]) -> type[Network]:
    model = take(dict(values), ModelSettings)
    name = choose_card(model).network if model.network == "auto" else model.network
    network: type[Network] = load_plugin("networks", name)
    return network


def read_choices(values: Mapping[str, Any]) -> Choices:
    """Check the values of what may change between two frames. Raises SettingsError."""
    root, groups = split_groups(values)
    settings = take(root, NodeSettings)
    for name in groups.keys() & plugin_names("effects"):
        build(load_plugin("effects", name).Settings, groups[name], prefix=name)  # also of effects not chosen now
    return Choices(
        settings,
        take(root, _network_class(values).Settings),
        load_effects("overlay_effects", settings.overlay_effects, groups),
        load_effects("effects", settings.effects, groups),
    )


def load_effects(parameter: str, names: Sequence[str], groups: Mapping[str, Mapping[str, Any]]) -> tuple[Effect, ...]:
    """The effects that `parameter` names, each with the settings under its name. Raises SettingsError."""
    chain = []
    for name in names:
        try:
            effect = load_plugin("effects", name)
        except PluginError as err:
            raise SettingsError(f"Parameter {parameter} is {list(names)!r}, but it must name effects. {err}") from err
        chain.append(effect(build(effect.Settings, groups.get(name, {}), prefix=name)))
    return tuple(chain)


def needs_of(chain: Sequence[Effect]) -> Wanted:
    """What the effects of a chain read of a result."""
    needs = Wanted.NOTHING
    for effect in chain:
        needs |= effect.needs
    return needs


class Recipe:
    """A loaded network with its choices; run() belongs to one thread, `choices` may be set from another.

    values: parameters by dotted name. Raises what `load` raises.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.choices = self._used = read_choices(values)
        own = NodeSettings.model_fields
        self._pipeline = load_from({name: value for name, value in values.items() if name not in own})
        network = self._pipeline.network
        self.model = network.card.name
        # What it can compute, also where a live option switches it off just now.
        self.offers = network.with_settings(network.Settings()).offers
        self.engine = type(self._pipeline.engine).__name__.removesuffix("Engine").lower()
        self.device = self._pipeline.engine.device

    def warm_up(self) -> None:
        """Run once on an empty picture."""
        self._pipeline.run(Frame(_WARM_UP), self.offers)

    def run(self, choices: Choices, frame: Frame, wanted: Wanted) -> Result:
        """One frame, under the choices given; where nothing is wanted, the network is not asked."""
        if not wanted & self.offers:
            return Result(frame.size)
        if choices is not self._used:
            self._pipeline.network = self._pipeline.network.with_settings(choices.network)
            self._used = choices
        return self._pipeline.run(frame, wanted & self.offers)

    def close(self) -> None:
        """Give the engine's memory back."""
        self._pipeline.close()
