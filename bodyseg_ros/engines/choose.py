"""Pick and open the engine for a model's files."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from ..errors import MissingDependencyError, ModelFileError, PluginError
from ..formats import ModelSource
from ..plugins import load_plugin, plugin_names
from ..settings import Settings, build
from .engine import Engine

__all__ = ["open_engine"]

_log = logging.getLogger(__name__)


def open_engine(name: str, source: ModelSource, groups: Mapping[str, Mapping[str, Any]], threads: int = 0) -> Engine:
    """Open the engine `name` on the first of the model's files that it reads; 'auto': the fastest pair there is.

    source: the model's file; its `others` hold the same network. groups: settings of plugins by their names; other
    plugins' groups are left alone. threads: CPU threads, 0 for one per core. Raises PluginError, SettingsError, and
    what the engine's constructor raises.
    """
    if name != "auto":
        engine_class = load_plugin("engines", name)
        file = _readable(engine_class, source)
        if file is None:
            readable = ", ".join(sorted(engine_class.formats))
            raise PluginError(
                f"The engine {name!r} cannot run {_listed(source)}; it reads {readable}. "
                "Set engine to auto to have one picked."
            )
        return engine_class(file, _settings(name, engine_class, groups), threads)  # type: ignore[no-any-return]
    return _fastest(source, groups, threads)


def _fastest(source: ModelSource, groups: Mapping[str, Mapping[str, Any]], threads: int) -> Engine:
    missing: list[tuple[str, MissingDependencyError]] = []
    refused: list[tuple[str, ModelFileError]] = []
    candidates = _candidates(source, groups)
    for name, engine_class, file in candidates:
        try:
            engine: Engine = engine_class(file, _settings(name, engine_class, groups), threads)
        except MissingDependencyError as err:
            missing.append((name, err))
            continue
        except ModelFileError as err:
            refused.append((name, err))
            continue
        passed = [f"{other} is not installed" for other, _ in missing] + [str(err) for _, err in refused]
        slower = [other for other, *_ in candidates[len(passed) + 1 :]]
        why = f"expected to be faster than {', '.join(slower)}" if slower else "no other engine reads its files"
        _log.info("The engine %s (%s) runs %s: %s.", name, engine.device, file.path.name, "; ".join([why, *passed]))
        return engine
    if refused:
        raise refused[0][1]
    hints = " ".join(str(err) for _, err in missing)
    raise PluginError(f"No engine here can run {_listed(source)}. {hints}".strip())


def _candidates(
    source: ModelSource, groups: Mapping[str, Mapping[str, Any]]
) -> list[tuple[str, type[Engine], ModelSource]]:
    """(name, engine, file it would run), fastest first; plugins that cannot be imported are none."""
    found = []
    for name in plugin_names("engines"):
        try:
            engine_class = load_plugin("engines", name)
        except MissingDependencyError as err:
            _log.debug("%s", err)
            continue
        file = _readable(engine_class, source)
        speed = engine_class.speed(_settings(name, engine_class, groups)) if file else 0.0
        if file and speed > 0:
            found.append((speed, (name, engine_class, file)))
    return [candidate for _, candidate in sorted(found, key=lambda entry: -entry[0])]


def _readable(engine_class: type[Engine], source: ModelSource) -> ModelSource | None:
    return next((file for file in (source, *source.others) if file.format in engine_class.formats), None)


def _listed(source: ModelSource) -> str:
    return ", ".join(f"{file.path.name} ({file.format})" for file in (source, *source.others))


def _settings(name: str, engine_class: type[Engine], groups: Mapping[str, Mapping[str, Any]]) -> Settings:
    return build(engine_class.Settings, groups.get(name, {}), prefix=name)
