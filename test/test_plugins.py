from __future__ import annotations

import sys
from importlib.metadata import EntryPoint

import pytest

from bodyseg_ros import plugins
from bodyseg_ros.errors import MissingDependencyError, PluginError


def test_built_in_plugins_are_found_without_an_install() -> None:
    assert "bodypix" in plugins.plugin_names("networks")
    assert {"overlay", "cutout", "skeleton"} <= set(plugins.plugin_names("effects"))


def test_every_built_in_plugin_loads() -> None:
    for kind in ("engines", "networks", "effects", "sources", "sinks"):
        for name in plugins.plugin_names(kind):
            assert plugins.load_plugin(kind, name) is not None


def test_an_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(
        PluginError, match=r"no plugin 'bodypicks' among the networks; there are: background, bodypix.* 'bodypix'\?"
    ):
        plugins.load_plugin("networks", "bodypicks")


def test_a_missing_package_says_the_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("wish", "no_such_package_here.engine:Wish [wish]", "bodyseg_ros.engines")
    monkeypatch.setattr(plugins, "_plugins", lambda kind: {"wish": entry})
    with pytest.raises(MissingDependencyError, match=r"'no_such_package_here'.*\[wish\]"):
        plugins.load_plugin("engines", "wish")
    assert "no_such_package_here" not in sys.modules
