"""Plugins by name, and what is said of those that do not fit."""

from __future__ import annotations

import logging
import sys
import types
from abc import ABC
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from bodyseg_ros import plugins
from bodyseg_ros.effects import Effect
from bodyseg_ros.engines import Engine
from bodyseg_ros.errors import MissingDependencyError, PluginError
from bodyseg_ros.media import Sink, Source
from bodyseg_ros.networks import Network

#: Kind → its base class, and the methods that a plugin must write.
SEAMS: dict[str, tuple[type[ABC], set[str]]] = {
    "engines": (Engine, {"infer", "load"}),
    "networks": (Network, {"decode", "offers", "prepare"}),
    "effects": (Effect, {"compose"}),
    "sources": (Source, {"__iter__"}),
    "sinks": (Sink, {"__call__"}),
}


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Call it with plugins by name: they are then all there are."""

    def register(**classes: Any) -> None:
        module = types.ModuleType("wishes")
        for name, plugin in classes.items():
            setattr(module, name, plugin)
        monkeypatch.setitem(sys.modules, "wishes", module)
        entries = {name: EntryPoint(name, f"wishes:{name}", "bodyseg_ros.wishes") for name in classes}
        monkeypatch.setattr(plugins, "_plugins", lambda kind: entries)

    return register


def plugin_of(kind: str, **attributes: Any) -> type:
    """A class with every method of its kind; attributes: more, or None for one that it lacks."""
    base, methods = SEAMS[kind]
    body = {method: lambda self, *arguments: None for method in methods} | {"api_version": 1} | attributes
    return type("Wish", (base,), {name: value for name, value in body.items() if value is not None})


def test_built_in_plugins_are_found_without_an_install() -> None:
    assert "bodypix" in plugins.plugin_names("networks")
    assert {"overlay", "cutout", "skeleton"} <= set(plugins.plugin_names("effects"))


@pytest.mark.parametrize("kind", SEAMS)
def test_every_built_in_plugin_loads_and_has_the_name_that_users_write(kind: str) -> None:
    names = plugins.plugin_names(kind)
    assert names
    loaded = {name: plugins.load_plugin(kind, name) for name in names}
    assert {name: plugin.name for name, plugin in loaded.items()} == {name: name for name in names}
    assert dict(plugins.loadable_plugins(kind)) == loaded


@pytest.mark.parametrize("kind", SEAMS)
def test_a_plugin_gets_its_name_from_its_entry_point(kind: str, registered: Any) -> None:
    plugin = plugin_of(kind)
    assert plugin.name == "Wish"
    registered(dear_wish=plugin)
    assert plugins.load_plugin(kind, "dear_wish") is plugin
    assert plugin.name == "dear_wish"


@pytest.mark.parametrize("kind", SEAMS)
@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_a_wrong_version_is_refused(kind: str, version: Any, registered: Any) -> None:
    registered(wish=plugin_of(kind, api_version=version))
    said = "api_version = 1" if version is None else rf"version {version!r} of {SEAMS[kind][0].__name__}.* supports 1;"
    with pytest.raises(PluginError, match=rf"'wish' among the {kind} .*{said}"):
        plugins.load_plugin(kind, "wish")


@pytest.mark.parametrize("kind", SEAMS)
@pytest.mark.parametrize("thing", [type("Wish", (), {"api_version": 1}), lambda: None, "text"])
def test_a_wrong_base_is_refused(kind: str, thing: Any, registered: Any) -> None:
    registered(wish=thing)
    with pytest.raises(PluginError, match=rf"'wish' among the {kind} .*'wishes:wish'.*\.{SEAMS[kind][0].__name__}\."):
        plugins.load_plugin(kind, "wish")


@pytest.mark.parametrize(
    ("kind", "method"), [(kind, method) for kind, (_, all_) in SEAMS.items() for method in sorted(all_)]
)
def test_a_missing_method_is_named(kind: str, method: str, registered: Any) -> None:
    registered(wish=plugin_of(kind, **{method: None}))
    with pytest.raises(PluginError, match=rf"'wish' among the {kind} .* Wish: {method}\."):
        plugins.load_plugin(kind, "wish")


def test_the_package_of_a_plugin_that_does_not_fit_is_named(monkeypatch: pytest.MonkeyPatch, registered: Any) -> None:
    registered(wish=plugin_of("effects", api_version=7))
    package = types.SimpleNamespace(name="bodyseg_wishes", version="0.3")
    monkeypatch.setattr(EntryPoint, "dist", package)
    with pytest.raises(PluginError, match=r"bodyseg_wishes 0\.3.*version 7"):
        plugins.load_plugin("effects", "wish")


def test_a_broken_plugin_leaves_the_others_usable(registered: Any, caplog: pytest.LogCaptureFixture) -> None:
    good = plugin_of("effects")
    registered(bad=plugin_of("effects", api_version=7), good=good)
    with caplog.at_level(logging.WARNING):
        assert list(plugins.loadable_plugins("effects")) == [("good", good)]
    assert "'bad'" in caplog.text


def test_a_module_that_raises_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("wish", "bodyseg_ros.errors:NoSuchClass", "bodyseg_ros.engines")
    monkeypatch.setattr(plugins, "_plugins", lambda kind: {"wish": entry})
    with pytest.raises(PluginError, match=r"'wish' among the engines cannot be loaded .*NoSuchClass"):
        plugins.load_plugin("engines", "wish")


def test_an_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(PluginError, match=r"'bodypicks'.*networks.*background, bodypix.* 'bodypix'\?"):
        plugins.load_plugin("networks", "bodypicks")


def test_a_missing_package_says_the_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("wish", "no_such_package_here.engine:Wish [wish]", "bodyseg_ros.engines")
    monkeypatch.setattr(plugins, "_plugins", lambda kind: {"wish": entry})
    with pytest.raises(MissingDependencyError, match=r"needs the package 'no_such_package_here'.*\[wish\]"):
        plugins.load_plugin("engines", "wish")
    assert "no_such_package_here" not in sys.modules


def test_a_strangers_name_is_cut_in_the_sentence() -> None:
    with pytest.raises(PluginError) as refused:
        plugins.load_plugin("effects", "x" * 100_000)
    assert len(str(refused.value)) < 1000
