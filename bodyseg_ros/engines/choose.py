"""Pick and open the engine for a model's files."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from ..errors import MissingDependencyError, PluginError
from ..formats import ModelSource
from ..plugins import load_plugin, plugin_names
from ..settings import build
from .base import Engine

__all__ = ["open_engine"]

_log = logging.getLogger(__name__)


def open_engine(name: str, source: ModelSource, groups: Mapping[str, Mapping[str, Any]]) -> Engine:
    """Open the engine `name`, or with 'auto' the best one installed that reads the files.

    groups: settings of plugins by their names; other plugins' groups are left alone. Raises PluginError,
    SettingsError, and what the engine's constructor raises.
    """
    if name != "auto":
        engine_class = load_plugin("engines", name)
        if source.format not in engine_class.formats:
            readable = ", ".join(sorted(engine_class.formats))
            raise PluginError(
                f"The engine {name!r} cannot run {source.path.name} ({source.format}); it reads {readable}. "
                "Set engine to auto to have one picked."
            )
        return _opened(name, engine_class, source, groups)
    reasons = []
    for candidate in plugin_names("engines"):
        try:
            engine_class = load_plugin("engines", candidate)
            if source.format not in engine_class.formats or not engine_class.automatic:
                continue
            engine = _opened(candidate, engine_class, source, groups)
        except MissingDependencyError as err:
            reasons.append(str(err))
            continue
        _log.info("engine %s on %s runs %s", candidate, engine.device, source.path.name)
        return engine
    raise PluginError(f"No engine here can run {source.path.name} ({source.format}). {' '.join(reasons)}".strip())


def _opened(
    name: str, engine_class: type[Engine], source: ModelSource, groups: Mapping[str, Mapping[str, Any]]
) -> Engine:
    return engine_class(source, build(engine_class.Settings, groups.get(name, {}), prefix=name))
