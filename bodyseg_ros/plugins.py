"""Look a plugin up by name, in the entry points of every installed package.

Groups: ``bodyseg_ros.engines``, ``.networks``, ``.effects``, ``.sources``, ``.sinks``, ``.trackers``. The built-in
plugins stand in ``entry_points.txt``, which pip registers like anybody's; a checkout or a colcon install, which
have no metadata of their own, read the same file.
"""

from __future__ import annotations

import configparser
import difflib
import re
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import files
from typing import Any

from .dependencies import missing_package
from .errors import PluginError

__all__ = ["load_plugin", "plugin_names"]


def plugin_names(kind: str) -> list[str]:
    """Names of all plugins of a kind: 'engines', 'networks', 'effects', 'sources', 'sinks' or 'trackers'."""
    return sorted(_plugins(kind))


def load_plugin(kind: str, name: str) -> Any:
    """The object a plugin's entry point names; only that plugin is imported.

    Raises PluginError for an unknown name, with those there are; MissingDependencyError if a package it
    needs is not installed, with the pip line that brings it.
    """
    found = _plugins(kind)
    if name not in found:
        have = ", ".join(sorted(found)) or "none"
        near = difflib.get_close_matches(name, found, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise PluginError(f"There is no plugin {name!r} among the {kind}; there are: {have}.{hint}")
    entry = found[name]
    try:
        return entry.load()
    except ModuleNotFoundError as err:
        # Python 3.10's EntryPoint.extras is a list of match objects; the text is the same everywhere.
        extras = re.search(r"\[.*\]", entry.value)
        whose = entry.dist.name if entry.dist else str(__package__)
        wanted = f"{whose}{extras.group()}" if extras else str(err.name)
        raise missing_package(f"The plugin {name!r} among the {kind}", err, wanted) from err


@lru_cache(maxsize=16)
def _plugins(kind: str) -> dict[str, EntryPoint]:
    group = f"bodyseg_ros.{kind}"
    found = {entry.name: entry for entry in entry_points(group=group)}
    return found | {entry.name: entry for entry in _built_in() if entry.group == group}


@lru_cache(maxsize=1)
def _built_in() -> tuple[EntryPoint, ...]:
    """The entry points of this package, read from its own file."""
    table = configparser.ConfigParser(delimiters=("=",))
    table.read_string(files(__package__).joinpath("entry_points.txt").read_text(encoding="utf-8"))
    return tuple(EntryPoint(name, value, group) for group in table.sections() for name, value in table[group].items())
