"""Pick and open the engine for a model's files."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping

from platformdirs import user_cache_path

from ..dependencies import install_line
from ..errors import MissingDependencyError, ModelFileError, PluginError
from ..formats import ModelSource
from ..plugins import load_plugin, loadable_plugins
from ..settings import Settings, build
from .engine import Engine
from .trial import try_model

__all__ = ["open_engine"]

_log = logging.getLogger(__name__)


def open_engine(name: str, source: ModelSource, settings: Mapping[str, Settings], threads: int = 0) -> Engine:
    """Open the engine `name` with the first model file that it reads; 'auto': the fastest engine and file.

    source: the model's file; its `others` hold the same network. settings: by engine name; missing ones get their
    defaults. threads: CPU threads, 0 for one per core. Raises PluginError, SettingsError, and the constructor's
    errors.
    """
    if name == "auto":
        return _fastest(source, settings, threads)
    engine_class: type[Engine] = load_plugin("engines", name)
    file = _readable(engine_class, source)
    if file is None:
        readable = ", ".join(sorted(engine_class.formats))
        raise PluginError(
            f"The engine {name!r} cannot run {_listed(source)}; it reads {readable}. "
            "Set engine to auto to select a suitable one."
        )
    return _opened(engine_class, file, _settings_of(engine_class, settings), threads)


def _opened(engine_class: type[Engine], file: ModelSource, settings: Settings, threads: int) -> Engine:
    """Open the engine; first run files without a published checksum in a child process, if native code reads them."""
    if file.unknown_digest and engine_class.package:
        passed = user_cache_path("bodyseg_ros") / "tried"
        try_model(engine_class.name, file, settings.model_dump(mode="json"), passed)
    return engine_class(file, settings, threads)


def _fastest(source: ModelSource, settings: Mapping[str, Settings], threads: int) -> Engine:
    failed: dict[str, ModelFileError | MissingDependencyError] = {}
    candidates = _candidates(source, settings)
    for engine_class, file, own in candidates:
        try:
            engine = _opened(engine_class, file, own, threads)
        except (MissingDependencyError, ModelFileError) as err:
            failed[engine_class.name] = err
            continue
        slower = [other.name for other, *_ in candidates[len(failed) + 1 :]]
        why = f"expected to be faster than {' and '.join(slower)}" if slower else "no other engine here reads its files"
        reasons = "; ".join([why, *(str(err) for err in failed.values())])
        _log.info("The engine %s (%s) runs %s: %s.", engine.name, engine.device, file.path.name, reasons.rstrip("."))
        return engine
    refused = [err for err in failed.values() if isinstance(err, ModelFileError)]
    if refused:
        raise refused[0]
    raise PluginError(f"No engine here can run {_listed(source)}. {_advice(source, failed)}".strip())


def _installed() -> Iterator[type[Engine]]:
    """Installed engines that `auto` may select."""
    for _, engine_class in loadable_plugins("engines"):
        if engine_class.is_available() and not engine_class.by_name_only:
            yield engine_class


def _candidates(
    source: ModelSource, settings: Mapping[str, Settings]
) -> list[tuple[type[Engine], ModelSource, Settings]]:
    """(engine, file it would run, its settings) of the installed engines, fastest first."""
    files = [(engine_class, _readable(engine_class, source)) for engine_class in _installed()]
    found = [(engine_class, file, _settings_of(engine_class, settings)) for engine_class, file in files if file]
    return sorted(found, key=lambda candidate: -_speed(candidate[0], candidate[2]))


def _speed(engine_class: type[Engine], settings: Settings) -> float:
    try:
        return engine_class.speed(settings)
    except Exception as err:  # noqa: BLE001 - a broken package must not keep the other engines from running
        _log.warning("The engine %s cannot estimate its speed, so it is tried last: %s.", engine_class.name, err)
        return 0.0


def _advice(source: ModelSource, failed: Mapping[str, Exception]) -> str:
    """How to get an engine for a model's files."""
    lines = [str(err) for err in failed.values()]
    for name, engine_class in loadable_plugins("engines"):
        if not engine_class.is_available() and _readable(engine_class, source):
            lines.append(f"The engine {name} can: {install_line(engine_class.requirement or engine_class.package)}.")
    return " ".join(lines)


def _readable(engine_class: type[Engine], source: ModelSource) -> ModelSource | None:
    return next((file for file in (source, *source.others) if file.format in engine_class.formats), None)


def _listed(source: ModelSource) -> str:
    return ", ".join(f"{file.path.name} ({file.format})" for file in (source, *source.others))


def _settings_of(engine_class: type[Engine], settings: Mapping[str, Settings]) -> Settings:
    return settings.get(engine_class.name) or build(engine_class.Settings, {}, prefix=engine_class.name)
