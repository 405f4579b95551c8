"""Parameters as the page's controls show them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ..plugins import plugin_names
from ..settings import Parameter
from .shown import Shown

__all__ = ["changed_values", "controls_of"]

#: Lists of plugin names → the kind of plugins.
_NAMES_OF: Final[Mapping[str, str]] = {"effects": "effects", "overlay_effects": "effects"}


def controls_of(shown: Shown) -> Iterator[dict[str, Any]]:
    """Each live parameter as plain JSON types: the fields of Parameter, and `options`, what a list may contain."""
    for parameter in shown.parameters:
        if parameter.live:
            kind = _NAMES_OF.get(parameter.name)
            yield parameter.__dict__ | {
                "choices": list(parameter.choices),
                "allowed": parameter.allowed,
                "options": plugin_names(kind) if kind else [],
            }


def changed_values(shown: Shown) -> dict[str, Any]:
    """Return all values that are not the default, without the page's own."""

    def is_default(parameter: Parameter) -> bool:
        return bool(shown.values[parameter.name] == parameter.default)

    return {
        parameter.name: shown.values[parameter.name]
        for parameter in shown.parameters
        if not is_default(parameter) and not parameter.name.startswith("web_")
    }
