"""The parameter services of the runtimes without ROS, on the fake graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bodyseg_ros.errors import SettingsError
from bodyseg_ros.ros.graph.fake_graph import Bus, FakeGraph
from bodyseg_ros.ros.graph.parameter_services import ParameterServices, selected
from bodyseg_ros.ros.graph.qos import RELIABLE, Qos
from bodyseg_ros.ros.graph.rosbag_types import RosbagMessages
from bodyseg_ros.settings import Settings, live, parameters, start_only


class Own(Settings):
    """One of each kind."""

    gain: float = live(1.0, "Factor.", ge=0.0, le=2.0)
    count: int = live(3, "How many.", ge=1)
    on: bool = live(True, "Whether.")
    label: str = start_only("none", "Text.")
    words: tuple[str, ...] = live((), "Words.")
    sizes: tuple[int, ...] = live((1, 2), "Sizes.")
    weights: tuple[float, ...] = live((0.5,), "Weights.")


class Served(FakeGraph):
    """A graph whose parameters are served, without a spin."""

    def __init__(self, bus: Bus) -> None:
        super().__init__("node", bus)
        self.declare(list(parameters(Own)))
        self._parameter_services = ParameterServices(self, self._parameters)


@pytest.fixture
def bus() -> Bus:
    return Bus()


@pytest.fixture
def graph(bus: Bus) -> Served:
    return Served(bus)


def values(bus: Bus, *names: str) -> list[Any]:
    return list(bus.call("/node/get_parameters", names=list(names))["values"])


def setting(graph: FakeGraph, name: str, number: int, **value: Any) -> Any:
    make = graph.messages.make
    return make(
        "rcl_interfaces/msg/Parameter",
        name=name,
        value=make("rcl_interfaces/msg/ParameterValue", type=number, **value),
    )


def change(graph: FakeGraph, name: str, number: int, **value: Any) -> tuple[bool, str]:
    answer = graph.bus.call("/node/set_parameters", parameters=[setting(graph, name, number, **value)])
    return answer["results"][0].successful, answer["results"][0].reason


def test_names_types_and_values(graph: Served, bus: Bus) -> None:
    names = [*Own.model_fields]
    result = bus.call("/node/list_parameters", prefixes=[], depth=0)["result"]
    assert result.names == ["use_sim_time", "autostart", *names]
    types = bus.call("/node/get_parameter_types", names=names)["types"]
    # rcl_interfaces/msg/ParameterType
    assert np.asarray(types).tolist() == [3, 2, 1, 4, 9, 7, 8]
    gain, count, on, label, words, sizes, weights = values(bus, *names)
    assert (gain.double_value, count.integer_value, on.bool_value, label.string_value) == (1.0, 3, True, "none")
    assert (words.string_array_value, list(sizes.integer_array_value)) == ([], [1, 2])
    assert list(weights.double_array_value) == [0.5]
    assert values(bus, "gain", "nothing") == []


def test_every_answer_can_be_sent(graph: Served, bus: Bus) -> None:
    for service, asked in (
        ("ListParameters", bus.call("/node/list_parameters", prefixes=[], depth=0)),
        ("GetParameters", bus.call("/node/get_parameters", names=[*Own.model_fields])),
        ("GetParameterTypes", bus.call("/node/get_parameter_types", names=[*Own.model_fields])),
        ("DescribeParameters", bus.call("/node/describe_parameters", names=[*Own.model_fields])),
    ):
        kind = f"rcl_interfaces/srv/{service}_Response"
        graph.messages.serialize(graph.messages.make(kind, **asked), kind)


def test_descriptors(graph: Served, bus: Bus) -> None:
    gain, count, label = bus.call("/node/describe_parameters", names=["gain", "count", "label"])["descriptors"]
    assert (gain.name, gain.type, gain.description, gain.read_only) == ("gain", 3, "Factor.", False)
    assert (gain.floating_point_range[0].from_value, gain.floating_point_range[0].to_value) == (0.0, 2.0)
    assert gain.additional_constraints == "a number from 0 to 2"
    assert (count.integer_range[0].from_value, count.integer_range[0].to_value) == (1, 2**63 - 1)
    assert label.read_only


def test_a_change_is_taken_and_told_or_refused_with_a_sentence(graph: Served, bus: Bus) -> None:
    events: list[Any] = []
    peer = FakeGraph("peer", bus)
    peer.subscribe("/parameter_events", "rcl_interfaces/msg/ParameterEvent", Qos(depth=100), events.append)
    taken: list[dict[str, Any]] = []
    graph.on_change(taken.append)
    assert change(graph, "gain", 3, double_value=0.5) == (True, "")
    assert change(graph, "gain", 2, integer_value=2) == (True, "")
    assert change(graph, "words", 9, string_array_value=["a", "b"]) == (True, "")
    assert change(graph, "words", 6) == (True, "")  # an empty list has no type
    assert taken == [{"gain": 0.5}, {"gain": 2.0}, {"words": ["a", "b"]}, {"words": []}]
    refused = {
        change(graph, "gain", 3, double_value=3.0),
        change(graph, "gain", 4, string_value="much"),
        change(graph, "label", 4, string_value="other"),
        change(graph, "gian", 3, double_value=0.5),
        change(graph, "gain", 0),
        change(graph, "use_sim_time", 1, bool_value=True),
    }
    assert {successful for successful, _ in refused} == {False}
    reasons = " ".join(reason for _, reason in refused)
    for words in ("gain is 3.0", "number from 0 to 2", "'much'", "label is read at start", "Did you mean gain?",
                  "gain is None", "use_sim_time is read at start"):  # fmt: skip
        assert words in reasons
    peer.spin_once()
    assert [(event.node, event.changed_parameters[0].name) for event in events] == [
        ("/node", "gain"), ("/node", "gain"), ("/node", "words"), ("/node", "words"),
    ]  # fmt: skip
    assert events[0].changed_parameters[0].value.double_value == 0.5


def test_several_changes_at_once_are_taken_all_or_none(graph: Served, bus: Bus) -> None:
    good, bad = setting(graph, "gain", 3, double_value=0.5), setting(graph, "count", 2, integer_value=0)
    result = bus.call("/node/set_parameters_atomically", parameters=[good, bad])["result"]
    assert not result.successful
    assert "count is 0" in result.reason
    assert values(bus, "gain")[0].double_value == 1.0
    assert bus.call("/node/set_parameters_atomically", parameters=[good])["result"].successful
    assert values(bus, "gain")[0].double_value == 0.5


def test_who_changes_them_in_the_node_is_told_too(graph: Served, bus: Bus) -> None:
    events: list[Any] = []
    peer = FakeGraph("peer", bus)
    peer.subscribe("/parameter_events", "rcl_interfaces/msg/ParameterEvent", RELIABLE, events.append)
    graph.set_parameters({"gain": 2.0})
    with pytest.raises(SettingsError):
        graph.set_parameters({"gain": 3.0})
    peer.spin_once()
    assert len(events) == 1


@pytest.mark.parametrize(
    ("prefixes", "depth", "names"),
    [
        ([], 0, ["a", "b.c", "b.d.e"]),
        ([], 1, ["a"]),
        ([], 2, ["a", "b.c"]),
        (["b"], 0, ["b.c", "b.d.e"]),
        (["b"], 1, ["b.c"]),
        (["a", "b.d"], 0, ["a", "b.d.e"]),
        (["c"], 0, []),
    ],
)
def test_prefixes_and_depth(prefixes: list[str], depth: int, names: list[str]) -> None:
    (template,) = (one for one in parameters(Own) if one.name == "gain")
    assert selected(dict.fromkeys(("a", "b.c", "b.d.e"), template), prefixes, depth) == names


#: As rosidl computes them: share/<package>/srv/<name>.json of a built ROS 2 Jazzy.
HASHES = {
    "rcl_interfaces/srv/DescribeParameters": "RIHS01_845b484d71eb0673dae682f2e3ba3c4851a65a3dcfb97bddd82c5b57e91e4cff",
    "rcl_interfaces/srv/GetParameters": "RIHS01_bf9803d5c74cf989a5de3e0c2e99444599a627c7ff75f97b8c05b01003675cbc",
    "rcl_interfaces/srv/GetParameterTypes": "RIHS01_da199c878688b3e530bdfe3ca8f74cb9fa0c303101e980a9e8f260e25e1c80ca",
    "rcl_interfaces/srv/ListParameters": "RIHS01_3e6062bfbb27bfb8730d4cef2558221f51a11646d78e7bb30a1e83afac3aad9d",
    "rcl_interfaces/srv/SetParameters": "RIHS01_56eed9a67e169f9cb6c1f987bc88f868c14a8fc9f743a263bc734c154015d7e0",
    "rcl_interfaces/srv/SetParametersAtomically": (
        "RIHS01_0e192ef259c07fc3c07a13191d27002222e65e00ccec653ca05e856f79285fcd"
    ),
    "lifecycle_msgs/srv/ChangeState": "RIHS01_356fe34f0475a43acf54542013af4167b0e729f77ea22ffb045c6ad8e20668e5",
    "lifecycle_msgs/srv/GetState": "RIHS01_800a0a5aae599782b02932de0caf563f6dc4e7e94b794eadde075ba2cbef9795",
    "lifecycle_msgs/srv/GetAvailableStates": "RIHS01_00a07d79d2207d71e81a8cbc1880e5d924cc16d4688ea8e8e06e443dc8f8aa1d",
    "lifecycle_msgs/srv/GetAvailableTransitions": (
        "RIHS01_59b7ecefce0982a8a844b9f2c4f14764c1c4543cc55e72924e2aa4adad83e9bc"
    ),
}


@pytest.mark.parametrize("service", HASHES)
def test_services_have_the_hashes_that_ros_gives_them(service: str) -> None:
    assert RosbagMessages().type_hash(service) == HASHES[service]
