"""Chains of effects by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..errors import PluginError, SettingsError, quote
from ..plugins import load_plugin
from ..settings import Settings, build
from ..types import Wanted
from .effect import Effect

__all__ = ["load_effects", "needs_of"]


def load_effects(
    parameter: str, names: Sequence[str], settings: Mapping[str, Settings], before: Sequence[Effect] = ()
) -> tuple[Effect, ...]:
    """Load the effects listed in `parameter`, each with the settings under its name or its defaults.

    before: the previous chain; effects with unchanged settings are reused with their state. Raises SettingsError for
    an unknown effect.
    """
    chain, there = [], list(before)
    for name in names:
        try:
            effect = load_plugin("effects", name)
        except PluginError as err:
            raise SettingsError(
                f"Parameter {parameter} is {quote(list(names))}, but it must name effects. {err}"
            ) from err
        own = settings.get(name)
        same = [one for one in there if type(one) is effect and own in (None, getattr(one, "settings", None))]
        if same:
            there.remove(same[0])
            chain.append(same[0])
        else:
            chain.append(effect(own or build(effect.Settings, {}, prefix=name)))
    return tuple(chain)


def needs_of(chain: Sequence[Effect]) -> Wanted:
    """Fields of a result that a chain of effects reads."""
    needs = Wanted.NOTHING
    for effect in chain:
        needs |= effect.needs
    return needs
