"""Parameters of the second stage → its plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from ..catalog import Card, choose_card
from ..errors import MissingDependencyError, SettingsError
from ..networks import Network, NetworkSettings
from ..plugins import load_plugin, plugin_names
from ..settings import (
    ModelSettings,
    Parameter,
    Settings,
    build,
    live,
    parameters,
    start_only,
    unknown_parameter,
    updated,
)

__all__ = [
    "GROUP",
    "PerPersonSettings",
    "StagePlan",
    "changed_stage",
    "plan_stage",
    "possible_parameters",
    "stage_parameters",
]

#: Prefix of all its parameters.
GROUP: Final = "per_person"


class PerPersonSettings(Settings):
    """The second network, and the part of the image on which it runs."""

    model: str = start_only(
        "",
        "Model card of a second network that runs on each person's box; with model_path, auto recognizes the file. "
        "'': no second network. Its own parameters are in the same group, such as "
        "per_person.segmentation_threshold.",
    )
    model_path: str = start_only("", "Your own file or folder for the second network; '': the card's.")
    engine: str = start_only(
        ModelSettings.model_fields["engine"].default, "Engine plugin of the second network; auto: the fastest."
    )
    output_stride: int = start_only(
        ModelSettings.model_fields["output_stride"].default, "Output stride of the second network: 8, 16 or 32."
    )
    margin: float = live(
        0.25, "Enlargement of each person's box, as a share of its sides: half of it on each side.", ge=0.0, le=4.0
    )
    size_px: int = live(
        0,
        "Long side to which the part of the image in a box is scaled, px; 0: not scaled. Networks with an input of "
        "fixed size scale it themselves.",
        ge=0,
        le=2048,
    )
    min_size_px: int = live(
        16, "Minimum long side of a box, px; smaller people keep the first network's result.", ge=1, le=4096
    )
    max_people: int = live(
        10, "Maximum number of people; those with the highest scores. The others keep the first result.", ge=1, le=100
    )

    @property
    def is_on(self) -> bool:
        """Whether there is a second network."""
        return bool(self.model or self.model_path)


@dataclass(frozen=True)
class StagePlan:
    """Everything that parameters determine about the second network. settings, network: partly live."""

    settings: PerPersonSettings
    model: ModelSettings
    card: Card
    network_class: type[Network]
    network: Settings


def plan_stage(values: Mapping[str, Any], first: ModelSettings) -> StagePlan | None:
    """Make the plan of the group's values; None without a second network.

    first: the first network's model settings, whose threads and trial of files apply to both. Raises SettingsError,
    also for parameters of a network that is not there, and the errors of `choose_card`.
    """
    own = {name: value for name, value in values.items() if name in PerPersonSettings.model_fields}
    settings = build(PerPersonSettings, own, GROUP)
    others = {name: value for name, value in values.items() if name not in own}
    if not settings.is_on:
        for name in others:
            if any(parameter.name == f"{GROUP}.{name}" for parameter in possible_parameters()):
                raise SettingsError(
                    f"Parameter {GROUP}.{name} is set, but there is no second network: set {GROUP}.model or "
                    f"{GROUP}.model_path."
                )
            raise unknown_parameter(f"{GROUP}.{name}", [parameter.name for parameter in stage_parameters(None)])
        return None
    model = build(
        ModelSettings,
        {
            "model": settings.model or "auto",
            "model_path": settings.model_path,
            "engine": settings.engine,
            "output_stride": settings.output_stride,
            "threads": first.threads,
            "try_model_files": first.try_model_files,
        },
        GROUP,
    )
    card = choose_card(model)
    network_class: type[Network] = load_plugin("networks", card.network)
    if network_class.learns_background:
        raise SettingsError(
            f"Parameter {GROUP}.model is {card.name!r}, but it learns the view of a fixed camera, so it cannot run on "
            "people's boxes; choose another model."
        )
    known = [parameter.name for parameter in stage_parameters(network_class)]
    for name in others:
        if f"{GROUP}.{name}" not in known:
            raise unknown_parameter(f"{GROUP}.{name}", known, f"The model {card.name} has")
    network = build(network_class.Settings, network_class.defaults_of(card) | others, GROUP)
    return StagePlan(settings, model, card, network_class, network)


def changed_stage(stage: StagePlan | None, values: Mapping[str, Any]) -> StagePlan | None:
    """Change live values; the same object if nothing changed. Raises SettingsError for a value not allowed."""
    if stage is None or not values:
        return stage
    own = {name: value for name, value in values.items() if name in PerPersonSettings.model_fields}
    others = {name: value for name, value in values.items() if name not in own}
    network = updated(stage.network, others, GROUP) if others else stage.network
    return replace(stage, settings=updated(stage.settings, own, GROUP) if own else stage.settings, network=network)


def stage_parameters(network: type[Network] | None) -> Iterator[Parameter]:
    """Parameters of the group; network: the second network's class, None without one."""
    yield from parameters(PerPersonSettings, GROUP)
    if network is not None:
        # Frames are skipped and results mirrored once, as the first network's settings say.
        names = {f"{GROUP}.{name}" for name in (*PerPersonSettings.model_fields, *NetworkSettings.model_fields)}
        yield from (parameter for parameter in parameters(network.Settings, GROUP) if parameter.name not in names)


def possible_parameters() -> Iterator[Parameter]:
    """Parameters of the group with each installed network as the second one; those of several come several times."""
    for name in plugin_names("networks"):
        with suppress(MissingDependencyError):  # selecting it reports what to install
            yield from stage_parameters(load_plugin("networks", name))
