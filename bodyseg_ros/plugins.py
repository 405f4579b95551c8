"""Plugins by name, from the entry points of every installed package.

A plugin is a class in one of the groups ``bodyseg_ros.engines``, ``.networks``, ``.effects``, ``.trackers``,
``.sources`` and ``.sinks``. It derives from the base class of its group and declares that class's version in
``api_version``. The built-in plugins are in ``entry_points.txt``, registered by pip like any others; a checkout or
colcon install, without metadata, reads the same file.
"""

from __future__ import annotations

import configparser
import difflib
import inspect
import logging
import re
from abc import ABC
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import files
from typing import Any, ClassVar, Final

from .dependencies import missing_package
from .errors import MissingDependencyError, PluginError, quote

__all__ = ["Plugin", "load_plugin", "loadable_plugins", "plugin_names"]

_log = logging.getLogger(__name__)

#: Group → base class of its plugins, by name, because importing it here would be circular.
_SEAMS: Final[Mapping[str, str]] = {
    "engines": "bodyseg_ros.engines:Engine",
    "networks": "bodyseg_ros.networks:Network",
    "effects": "bodyseg_ros.effects:Effect",
    "trackers": "bodyseg_ros.tracking:Tracker",
    "sources": "bodyseg_ros.media:Source",
    "sinks": "bodyseg_ros.media:Sink",
}


class Plugin(ABC):
    """Shared by the base classes of all groups."""

    #: In a base class: versions of it that plugins may be written for.
    supported_versions: ClassVar[frozenset[int]]
    #: In a plugin: the version of its base class that it was written for.
    api_version: ClassVar[int]
    #: Name that users write; load_plugin() sets it from the entry point.
    name: ClassVar[str]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.name = cls.__name__  # for a class used without an entry point


def plugin_names(kind: str) -> list[str]:
    """Names of all plugins of a type: 'engines', 'networks', 'effects', 'trackers', 'sources' or 'sinks'."""
    return sorted(_plugins(kind))


def load_plugin(kind: str, name: str) -> Any:
    """The class of a plugin, with its `name` set; only that plugin is imported.

    Raises PluginError for an unknown name, with those there are, and for a class that does not fit this version of
    the package; MissingDependencyError if a package it needs is not installed, with the pip line that brings it.
    """
    found = _plugins(kind)
    if name not in found:
        have = ", ".join(sorted(found)) or "none"
        near = difflib.get_close_matches(name, found, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise PluginError(f"There is no plugin {quote(name)} among the {kind}; there are: {have}.{hint}")
    plugin = _imported(kind, found[name])
    _check(kind, found[name], plugin)
    plugin.name = name
    return plugin


def loadable_plugins(kind: str) -> Iterator[tuple[str, Any]]:
    """(name, class) of every plugin of a type that can be loaded; broken ones are logged and skipped."""
    for name in plugin_names(kind):
        try:
            yield name, load_plugin(kind, name)
        except MissingDependencyError as err:  # noqa: PERF203 - plugins are few
            _log.debug("%s", err)
        except PluginError as err:
            _log.warning("%s It is left out.", err)


def _imported(kind: str, entry: EntryPoint) -> Any:
    try:
        return entry.load()
    except ModuleNotFoundError as err:
        # Python 3.10's EntryPoint.extras is a list of match objects; the text is the same everywhere.
        extras = re.search(r"\[.*\]", entry.value)
        whose = entry.dist.name if entry.dist else str(__package__)
        wanted = f"{whose}{extras.group()}" if extras else str(err.name)
        raise missing_package(f"The plugin {entry.name!r} among the {kind}", err, wanted) from err
    except Exception as err:  # third-party modules may raise anything
        raise PluginError(
            f"{_described(kind, entry)} cannot be loaded from {entry.value!r}: {type(err).__name__}: {err}."
        ) from err


def _check(kind: str, entry: EntryPoint, plugin: Any) -> None:
    """Raise PluginError unless a class derives from its group's base, in a version known here, with every method."""
    module, _, base_name = _SEAMS[kind].partition(":")
    base = getattr(import_module(module), base_name)
    plugin_text = _described(kind, entry)
    if not (inspect.isclass(plugin) and issubclass(plugin, base)):
        raise PluginError(
            f"{plugin_text} is {entry.value!r}, but it must be a class that derives from {module}.{base_name}."
        )
    known = ", ".join(map(str, sorted(base.supported_versions)))
    version = getattr(plugin, "api_version", None)
    if version is None:
        raise PluginError(
            f"{plugin_text} does not declare its version of {base_name}; add api_version = {known} to "
            f"{plugin.__name__}."
        )
    if version not in base.supported_versions:
        raise PluginError(
            f"{plugin_text} was written for version {version!r} of {base_name}, but this bodyseg_ros supports {known}; "
            f"install matching releases of the two packages."
        )
    missing = ", ".join(sorted(getattr(plugin, "__abstractmethods__", ())))
    if missing:
        raise PluginError(f"{plugin_text} lacks required members of {base_name}; add to {plugin.__name__}: {missing}.")


def _described(kind: str, entry: EntryPoint) -> str:
    """'The plugin 'opencv_dnn' among the engines (bodyseg_green_screen 0.1.0)'."""
    package = f" ({entry.dist.name} {entry.dist.version})" if entry.dist else ""
    return f"The plugin {entry.name!r} among the {kind}{package}"


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
