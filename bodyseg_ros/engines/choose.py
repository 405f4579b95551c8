"""Pick and open the engine for a model's files."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from ..errors import MissingDependencyError, ModelFileError, PluginError
from ..formats import ModelSource
from ..plugins import load_plugin, plugin_names
from ..settings import Settings, build
from .engine import Engine

__all__ = ["open_engine"]

_log = logging.getLogger(__name__)


def open_engine(name: str, source: ModelSource, settings: Mapping[str, Settings], threads: int = 0) -> Engine:
    """Open the engine `name` on the first of the model's files that it reads; 'auto': the fastest pair there is.

    source: the model's file; its `others` hold the same network. settings: by the engines' names; an engine that
    is left out has its defaults. threads: CPU threads, 0 for one per core. Raises PluginError, SettingsError, and
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
        return engine_class(file, _settings_of(name, engine_class, settings), threads)  # type: ignore[no-any-return]
    return _fastest(source, settings, threads)


def _fastest(source: ModelSource, settings: Mapping[str, Settings], threads: int) -> Engine:
    missing: list[tuple[str, MissingDependencyError]] = []
    refused: list[tuple[str, ModelFileError]] = []
    candidates = _candidates(source, settings)
    for name, engine_class, own, file in candidates:
        try:
            engine: Engine = engine_class(file, own, threads)
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
    source: ModelSource, settings: Mapping[str, Settings]
) -> list[tuple[str, type[Engine], Settings, ModelSource]]:
    """(name, engine, its settings, file it would run), fastest first; plugins that cannot be imported are none."""
    found = []
    for name in plugin_names("engines"):
        try:
            engine_class = load_plugin("engines", name)
        except MissingDependencyError as err:
            _log.debug("%s", err)
            continue
        file = _readable(engine_class, source)
        if file:
            own = _settings_of(name, engine_class, settings)
            found.append((engine_class.speed(own), (name, engine_class, own, file)))
    return [candidate for speed, candidate in sorted(found, key=lambda entry: -entry[0]) if speed > 0]


def _readable(engine_class: type[Engine], source: ModelSource) -> ModelSource | None:
    return next((file for file in (source, *source.others) if file.format in engine_class.formats), None)


def _listed(source: ModelSource) -> str:
    return ", ".join(f"{file.path.name} ({file.format})" for file in (source, *source.others))


def _settings_of(name: str, engine_class: type[Engine], settings: Mapping[str, Settings]) -> Settings:
    return settings[name] if name in settings else build(engine_class.Settings, {}, prefix=name)
