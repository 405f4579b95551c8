"""Turn parameters into a plan: card, network, engine and settings, resolved once.

    values by dotted name → choose_card → the network's class → a settings object per class → Plan → open_model()

A plan opens no file and downloads nothing, so a node can make it before it advertises topics.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Generic, TypeVar

from .catalog import Card, choose_card
from .errors import MissingDependencyError, SettingsError
from .events import EventSettings
from .networks import Network
from .per_person import StagePlan, changed_stage, plan_stage, stage_parameters
from .per_person.stage_plan import GROUP as PER_PERSON
from .plugins import load_plugin, loadable_plugins, plugin_names
from .refine import RefineSettings
from .settings import (
    ModelSettings,
    Parameter,
    Settings,
    build,
    parameters,
    require_live,
    split_groups,
    unknown_parameter,
    updated,
)
from .tracking import Following, SmoothingSettings, TrackingSettings

__all__ = [
    "Plan",
    "make_plan",
    "model_parameters",
    "parameters_of",
    "plugin_parameters",
    "changed_following",
    "plugin_settings",
    "tracking_parameters",
]

S = TypeVar("S", bound=Settings)


@dataclass(frozen=True)
class Plan(Generic[S]):
    """Everything that parameters decide before a file is opened.

    model: requested network, files and engine. card: facts about the selected network. network, refine: live settings.
    engines, effects: settings by plugin, only of plugins with given parameters; others use their defaults. following:
    how people are tracked, events: when something counts as an event; both may change too. per_person: the second
    network, None without one; live in part. own: the settings of the plan's owner, such as a node.
    """

    model: ModelSettings
    card: Card
    network_class: type[Network]
    network: Settings
    refine: RefineSettings
    engines: Mapping[str, Settings]
    effects: Mapping[str, Settings]
    following: Following
    events: EventSettings
    per_person: StagePlan | None
    own: S

    @property
    def parameters(self) -> Sequence[Parameter]:
        """All parameters for this plan: the owner's, the model's, each engine's and each effect's."""
        stage = None if self.per_person is None else self.per_person.network_class
        every = _every_parameter(type(self.own), type(self.network), stage)
        defaults = self.network_class.defaults_of(self.card)
        return [replace(one, default=defaults[one.name]) if one.name in defaults else one for one in every]

    @property
    def values(self) -> Mapping[str, Any]:
        """The value of each of `parameters`, by name."""
        following, stage = self.following, self.per_person
        # The owner's parameters override the model's and network's of the same name.
        parts = [("", part) for part in (following.tracking, self.model, self.network, self.own)]
        parts += [("refine.", self.refine), ("smoothing.", following.smoothing), ("events.", self.events)]
        parts += [(f"{PER_PERSON}.", part) for part in ((stage.network, stage.settings) if stage else ())]
        plugins = {**self.engines, **self.effects, **following.trackers}
        parts += [(f"{name}.", settings) for name, settings in plugins.items()]
        known = {prefix + name: value for prefix, part in parts for name, value in part.model_dump().items()}
        named = {parameter.name: known.get(parameter.name, parameter.default) for parameter in self.parameters}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in named.items()}

    def changed(self, values: Mapping[str, Any]) -> Plan[S]:
        """Return the plan with other live values; unaffected settings stay the same objects.

        Raises SettingsError for a parameter that does not exist or is read at start, and for a value not allowed.
        """
        require_live(values, self.parameters)
        root, groups = split_groups(values)
        return replace(
            self,
            own=updated(self.own, root),
            network=updated(self.network, root),
            refine=updated(self.refine, groups.get("refine", {}), prefix="refine"),
            effects=plugin_settings("effects", groups, self.effects),
            following=changed_following(self.following, root, groups),
            events=updated(self.events, groups.get("events", {}), prefix="events"),
            per_person=changed_stage(self.per_person, groups.get(PER_PERSON, {})),
        )


def make_plan(values: Mapping[str, Any], own: type[S]) -> Plan[S]:
    """Make the plan for parameters by dotted name; others have their defaults.

    own: the caller's own parameters at the root; `Settings` for none. Raises SettingsError for an unknown
    parameter or a value not allowed, ModelNotFoundError or ModelFileError for the card, PluginError for the network.
    """
    root, groups = split_groups(values)
    own_settings = _part(own, root)
    # If the model or network has a parameter of the same name, the owner's default applies.
    root = own_settings.model_dump() | root
    model = _part(ModelSettings, root)
    card = choose_card(model)
    network_class: type[Network] = load_plugin("networks", card.network if model.network == "auto" else model.network)
    readers = (own, ModelSettings, TrackingSettings, network_class.Settings)
    for name in root:
        if not any(name in reader.model_fields for reader in readers):
            known = [field for reader in readers for field in reader.model_fields]
            raise unknown_parameter(name, known, f"The model {card.name} has")
    plugins = {name for kind in ("engines", "effects", "trackers") for name in plugin_names(kind)}
    for group in groups.keys() - {"refine", "smoothing", "events", PER_PERSON} - plugins:
        known = [parameter.name for parameter in _every_parameter(own, network_class.Settings, None)]
        raise unknown_parameter(f"{group}.{next(iter(groups[group]))}", known)
    return Plan(
        model,
        card,
        network_class,
        network=_part(network_class.Settings, network_class.defaults_of(card) | root),
        refine=build(RefineSettings, groups.get("refine", {}), prefix="refine"),
        engines=plugin_settings("engines", groups),
        effects=plugin_settings("effects", groups),
        following=changed_following(Following(), root, groups),
        events=build(EventSettings, groups.get("events", {}), prefix="events"),
        per_person=plan_stage(groups.get(PER_PERSON, {}), model),
        own=own_settings,
    )


def _part(settings: type[S], root: Mapping[str, Any]) -> S:
    """Make a settings object from those values that are its parameters."""
    return build(settings, {name: value for name, value in root.items() if name in settings.model_fields})


def changed_following(
    following: Following, root: Mapping[str, Any], groups: Mapping[str, Mapping[str, Any]]
) -> Following:
    """Update the tracking settings; returns the same object if unaffected.

    Raises SettingsError for a value not allowed.
    """
    own = {name: value for name, value in root.items() if name in TrackingSettings.model_fields}
    mentioned = groups.keys() & {"smoothing", *plugin_names("trackers")}
    if not own and not mentioned:
        return following
    changed = Following(
        updated(following.tracking, own),
        updated(following.smoothing, groups.get("smoothing", {}), prefix="smoothing"),
        plugin_settings("trackers", groups, following.trackers),
    )
    names = plugin_names("trackers")
    if changed.is_on and changed.tracker not in names:
        raise SettingsError(
            f"Parameter tracker is {changed.tracker!r}, but it must be one of auto, none, {', '.join(names)}."
        )
    return changed


def plugin_settings(
    kind: str, groups: Mapping[str, Mapping[str, Any]], before: Mapping[str, Settings] | None = None
) -> Mapping[str, Settings]:
    """Make settings by plugin, for the plugins of a type that `groups` mentions.

    before: previous settings, overridden by `groups`. Raises SettingsError.
    """
    known = dict(before or {})
    for name in groups.keys() & plugin_names(kind):
        if name in known:
            known[name] = updated(known[name], groups[name], prefix=name)
        else:
            known[name] = build(load_plugin(kind, name).Settings, groups[name], prefix=name)
    return known


def model_parameters(network: type[Settings], stage: type[Network] | None = None) -> Iterator[Parameter]:
    """A model's parameters: which model, the network's own, each engine's under its name, the refinement's, tracking's,
    events' and those of the second network.

    stage: the second network's class.
    """
    yield from parameters(ModelSettings)
    yield from parameters(network)
    for parameter in plugin_parameters("engines"):
        yield replace(parameter, live=False)  # an engine is opened once, so none of its parameters is live
    yield from parameters(RefineSettings, "refine")
    yield from tracking_parameters()
    yield from parameters(EventSettings, "events")
    yield from stage_parameters(stage)


def tracking_parameters() -> Iterator[Parameter]:
    """Tracking parameters: the tracker, each tracker's under its name, keypoint smoothing."""
    yield from parameters(TrackingSettings)
    yield from plugin_parameters("trackers")
    yield from parameters(SmoothingSettings, "smoothing")


def plugin_parameters(kind: str) -> Iterator[Parameter]:
    """Parameters of every plugin of a type that can be loaded."""
    for name, plugin in loadable_plugins(kind):
        yield from parameters(plugin.Settings, "" if kind == "networks" else name)


def parameters_of(kind: str, name: str) -> Iterator[Parameter]:
    """Parameters of one plugin, under its name; a network's at the root.

    Empty if its package is missing; selecting it reports what to install.
    """
    with suppress(MissingDependencyError):
        yield from parameters(load_plugin(kind, name).Settings, "" if kind == "networks" else name)


@lru_cache(maxsize=8)
def _every_parameter(
    own: type[Settings], network: type[Settings], stage: type[Network] | None
) -> tuple[Parameter, ...]:
    """An owner's parameter overrides the model's or network's of the same name."""
    every = (*parameters(own), *model_parameters(network, stage), *plugin_parameters("effects"))
    return tuple({parameter.name: parameter for parameter in reversed(every)}.values())[::-1]
