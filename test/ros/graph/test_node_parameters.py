"""Parameters: declared once, checked, changed all or none."""

from __future__ import annotations

from typing import Any

import pytest

from bodyseg_ros.errors import SettingsError
from bodyseg_ros.ros.graph import Qos
from bodyseg_ros.ros.graph.node_parameters import Parameters
from bodyseg_ros.ros.graph.qos import override_qos
from bodyseg_ros.settings import Parameter

DECLARED = [
    Parameter("gain", "float", 1.0, "", live=True, minimum=0.0, maximum=2.0),
    Parameter("count", "int", 3, "", live=True, minimum=1.0),
    Parameter("mode", "str", "fast", "", live=True, choices=("fast", "good")),
    Parameter("size", "str", 0.5, "", live=True),
    Parameter("on", "bool", True, "", live=True),
    Parameter("words", "str_list", [], "", live=True),
    Parameter("model", "str", "m", "", live=False),
]


def declared(**overrides: Any) -> Parameters:
    made = Parameters(overrides)
    made.declare(DECLARED, pytest.fail)
    return made


def test_overrides_take_the_place_of_defaults() -> None:
    values = declared(gain=2, words=("a", "b"), size=0.25).values
    assert values == {
        "gain": 2.0,
        "count": 3,
        "mode": "fast",
        "size": "0.25",
        "on": True,
        "words": ["a", "b"],
        "model": "m",
    }
    assert type(values["gain"]) is float


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("('a', 'b')", ["a", "b"]),
        ("('a',)", ["a"]),
        ("()", []),
        ("(a) or (b)", None),
        ("(__import__('os'),)", None),
    ],
)
def test_a_list_as_launch_ros_writes_it_for_set_parameter(given: str, words: list[str] | None) -> None:
    if words is None:
        with pytest.raises(SettingsError, match="words is .* list of strings"):
            declared(words=given)
    else:
        assert declared(words=given).values["words"] == words


def test_the_graphs_own_parameters_are_not_the_nodes() -> None:
    made = Parameters({"use_sim_time": True, "qos_overrides./a.publisher.depth": 1, "gain": 1.0})
    assert made.overrides == {"gain": 1.0}
    assert made.graph.use_sim_time
    assert made.graph.autostart


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("gain", 2.5, "Parameter gain is 2.5.*number.* 0 to 2."),
        ("gain", float("nan"), "Parameter gain is nan"),
        ("gain", 10**400, "Parameter gain is 1000"),
        ("count", -(10**400), "Parameter count is -1000"),
        ("gain", "high", "Parameter gain is 'high'"),
        ("gain", True, "Parameter gain is True"),
        ("count", 0, "Parameter count is 0.*integer.* 1."),
        ("count", 1.0, "Parameter count is 1.0"),
        ("mode", "slow", "Parameter mode is 'slow'.* fast, good."),
        ("on", 1, "Parameter on is 1.* true or false."),
        ("words", "a", "Parameter words is 'a'.* list of strings."),
        ("words", [["a"]], r"Parameter words is \[\['a'\]\].* list of strings."),
        ("words", None, "Parameter words is None"),
    ],
)
def test_wrong_values_are_refused_at_start_and_later(name: str, value: Any, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        declared(**{name: value})
    with pytest.raises(SettingsError, match=sentence):
        declared().change({name: value})


def test_unknown_names_are_dropped_at_start_with_a_warning_and_refused_later() -> None:
    made, warned = Parameters({"gian": 2.0, "gain": 2.0}), []
    assert made.declare(DECLARED, warned.append)["gain"] == 2.0
    (sentence,) = warned
    assert sentence.startswith("Ignored: There is no parameter 'gian'. Did you mean gain?")
    assert made.overrides == {"gain": 2.0}
    with pytest.raises(SettingsError, match="no parameter 'gian'.*gain?"):
        made.change({"gian": 1.0})


def test_a_wrong_value_of_the_graphs_own_is_refused() -> None:
    with pytest.raises(SettingsError, match="Parameter autostart is 'maybe'.* true or false."):
        Parameters({"autostart": "maybe"})


def test_a_change_is_taken_whole_or_not_at_all() -> None:
    made, heard = declared(), []
    made.listen(heard.append)
    made.change({"gain": 2, "mode": "good"})
    assert heard == [{"gain": 2.0, "mode": "good"}]
    assert (made.values["gain"], made.values["mode"]) == (2.0, "good")
    with pytest.raises(SettingsError, match="count"):
        made.change({"gain": 0.0, "count": 0})
    assert made.values["gain"] == 2.0


def test_the_listener_may_refuse() -> None:
    made = declared()

    def refuse(values: dict[str, Any]) -> None:
        raise SettingsError("Not today.")

    made.listen(refuse)
    with pytest.raises(SettingsError, match="Not today."):
        made.change({"gain": 0.0})
    assert made.values["gain"] == 1.0


def test_what_is_read_at_start_does_not_change() -> None:
    with pytest.raises(SettingsError, match="model is read at start.*start the node again"):
        declared().change({"model": "other"})


def test_qos_overrides() -> None:
    says = {
        "qos_overrides./image.subscription.reliability": "reliable",
        "qos_overrides./image.subscription.durability": "transient_local",
        "qos_overrides./image.subscription.depth": 7,
        "qos_overrides./image.subscription.history": "keep_last",
        "qos_overrides./image.publisher.depth": 9,
    }
    assert override_qos(Qos(1, False), says, "/image", "subscription") == Qos(7, True, True)
    assert override_qos(Qos(1), says, "/other", "subscription") == Qos(1)


@pytest.mark.parametrize(("policy", "value"), [("depth", 0), ("depth", "two"), ("reliability", "sure"), ("speed", 1)])
def test_wrong_qos_overrides_are_named(policy: str, value: Any) -> None:
    name = f"qos_overrides./image.publisher.{policy}"
    with pytest.raises(SettingsError, match=f"Parameter {name} is {value!r}; allowed are depth"):
        override_qos(Qos(), {name: value}, "/image", "publisher")
