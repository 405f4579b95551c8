"""The lifecycle of the runtimes without ROS, on the fake graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bodyseg_ros.errors import EngineError
from bodyseg_ros.ros.graph.fake_graph import Bus, FakeGraph
from bodyseg_ros.ros.graph.lifecycle import Lifecycle
from bodyseg_ros.ros.graph.qos import Qos


class Steps:
    """A node that writes down what is asked of it, and fails at one step."""

    def __init__(self, fails: str = "") -> None:
        self.fails, self.taken = fails, []

    def __getattr__(self, name: str) -> Callable[[], None]:
        def step() -> None:
            self.taken.append(name)
            if name == self.fails:
                raise EngineError(f"{name} failed.")

        return step


class Asker:
    """Asks the services of a node that is not spun."""

    def __init__(self, fails: str = "") -> None:
        self.graph = FakeGraph("node", Bus())
        self.node = Steps(fails)
        self.lifecycle = Lifecycle(self.graph, self.node)
        self.peer = FakeGraph("peer", self.graph.bus)
        self.events: list[tuple[str, str, str]] = []
        kind = "lifecycle_msgs/msg/TransitionEvent"
        self.peer.subscribe("/node/transition_event", kind, Qos(depth=100), self._hear)

    def _hear(self, event: Any) -> None:
        self.events.append((event.transition.label, event.start_state.label, event.goal_state.label))

    def change(self, number: int = 0, label: str = "") -> bool:
        transition = self.graph.messages.make("lifecycle_msgs/msg/Transition", id=number, label=label)
        return bool(self.graph.bus.call("/node/change_state", transition=transition)["success"])

    @property
    def state(self) -> tuple[int, str]:
        state = self.graph.bus.call("/node/get_state")["current_state"]
        return state.id, state.label

    @property
    def possible(self) -> list[tuple[int, str]]:
        answer = self.graph.bus.call("/node/get_available_transitions")["available_transitions"]
        return [(one.transition.id, one.transition.label) for one in answer]


def test_transitions_by_number_and_by_label() -> None:
    asker = Asker()
    assert asker.state == (1, "unconfigured")
    assert asker.possible == [(1, "configure"), (5, "shutdown")]
    assert asker.change(1)
    assert asker.state == (2, "inactive")
    assert asker.possible == [(2, "cleanup"), (3, "activate"), (6, "shutdown")]
    assert asker.change(label="activate")
    assert asker.state == (3, "active")
    assert asker.possible == [(4, "deactivate"), (7, "shutdown")]
    assert asker.change(4)
    assert asker.change(2)
    assert asker.state == (1, "unconfigured")
    assert asker.node.taken == ["configure", "activate", "deactivate", "cleanup"]
    asker.peer.spin_once()
    assert asker.events[:4] == [
        ("configure", "unconfigured", "configuring"),
        ("transition_success", "configuring", "inactive"),
        ("activate", "inactive", "activating"),
        ("transition_success", "activating", "active"),
    ]


def test_what_is_not_possible_is_refused_with_the_state() -> None:
    asker = Asker()
    assert not asker.change(3)
    assert not asker.change(label="rest")
    assert asker.node.taken == []
    assert asker.graph.said[0] == ("warn", "The transition 3 is not possible while the node is unconfigured.")
    assert "'rest'" in asker.graph.said[1][1]


@pytest.mark.parametrize(
    ("fails", "stays", "taken"),
    [
        ("configure", "unconfigured", ["configure", "cleanup"]),
        ("activate", "inactive", ["configure", "activate", "deactivate"]),
    ],
)
def test_a_step_that_fails_is_undone_and_leaves_the_state(fails: str, stays: str, taken: list[str]) -> None:
    asker = Asker(fails)
    assert [asker.change(1), asker.change(3)].count(True) == (stays == "inactive")
    assert asker.state[1] == stays
    assert asker.node.taken == taken
    assert asker.graph.said[0] == ("error", f"{fails} failed.")
    asker.peer.spin_once()
    assert asker.events[-1][0] == "transition_failure"


def test_shutdown_undoes_what_was_done_and_ends_the_spin() -> None:
    asker = Asker("deactivate")
    for number in (1, 3):
        assert asker.change(number)
    assert not asker.change(7)
    assert asker.node.taken == ["configure", "activate", "deactivate", "cleanup"]
    assert asker.state == (4, "finalized")
    assert asker.lifecycle.finished
    asker.lifecycle.end()
    assert len(asker.node.taken) == 4


def test_all_states_and_transitions_are_told() -> None:
    asker = Asker()
    states = asker.graph.bus.call("/node/get_available_states")["available_states"]
    assert {(one.id, one.label) for one in states} >= {(1, "unconfigured"), (4, "finalized"), (10, "configuring")}
    graph = asker.graph.bus.call("/node/get_transition_graph")["available_transitions"]
    assert len(graph) == 7 * 3
    assert {one.transition.label for one in graph if one.start_state.label == "active"} == {"deactivate", "shutdown"}


def test_without_autostart_a_spin_waits_for_transitions() -> None:
    graph = FakeGraph("node", Bus(), ["--ros-args", "-p", "autostart:=false"])
    node = Steps()
    peer = FakeGraph("peer", graph.bus)
    make = peer.messages.make
    orders = iter((1, 3, 7))

    def order() -> None:
        transition = make("lifecycle_msgs/msg/Transition", id=next(orders))
        graph.bus.call("/node/change_state", transition=transition)

    graph.timer(0.001, order)
    graph.spin(node)
    assert node.taken == ["configure", "activate", "deactivate", "cleanup"]
