"""Several nodes in one process: who ends, and who goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from bodyseg_ros.errors import EngineError
from bodyseg_ros.ros.graph.fake_graph import Bus, FakeGraph
from bodyseg_ros.ros.nodes import run_node as module
from bodyseg_ros.ros.nodes.run_node import run_node


class Steps:
    """A node that writes down what is asked of it; it fails to start in the namespace that is named."""

    def __init__(self, graph: FakeGraph, fails: str = "") -> None:
        self.graph, self.fails, self.taken = graph, graph.namespace == fails, []

    def configure(self) -> None:
        self.taken.append("configure")
        if self.fails:
            raise EngineError("No power.")

    def activate(self) -> None:
        self.taken.append("activate")

    def deactivate(self) -> None:
        self.taken.append("deactivate")

    def cleanup(self) -> None:
        self.taken.append("cleanup")


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> Bus:
    bus = Bus()
    monkeypatch.setattr(module, "open_graph", lambda name, arguments, runtime: FakeGraph(name, bus, arguments))
    return bus


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def test_a_camera_that_is_shut_down_leaves_the_others_running(bus: Bus) -> None:
    nodes: dict[str, Steps] = {}

    def make(graph: FakeGraph) -> Steps:
        return nodes.setdefault(graph.namespace, Steps(graph))

    def shut_down(namespace: str) -> None:
        graph = nodes[namespace].graph
        transition = graph.messages.make("lifecycle_msgs/msg/Transition", label="shutdown")
        bus.call(f"{namespace}/bodyseg/change_state", transition=transition)

    seen: list[list[str]] = []

    def director() -> None:
        wait_for(lambda: len(nodes) == 2 and all("activate" in node.taken for node in nodes.values()))
        shut_down("/front")
        wait_for(lambda: "cleanup" in nodes["/front"].taken)
        time.sleep(0.3)
        seen.append(list(nodes["/rear"].taken))
        assert {end.node for end in nodes["/rear"].graph.endpoints()} == {"/rear/bodyseg"}
        shut_down("/rear")

    thread = threading.Thread(target=director)
    thread.start()
    run_node("bodyseg", make, [], "auto", lambda given: ["/front", "/rear"])
    thread.join()
    assert seen == [["configure", "activate"]]
    assert nodes["/rear"].taken == ["configure", "activate", "deactivate", "cleanup"]


def test_a_camera_that_fails_ends_them_all_with_its_sentence(bus: Bus) -> None:
    nodes: list[Steps] = []

    def make(graph: FakeGraph) -> Steps:
        nodes.append(Steps(graph, fails="/rear"))
        return nodes[-1]

    with pytest.raises(SystemExit, match=r"bodyseg: No power\."):
        run_node("bodyseg", make, [], "auto", lambda given: ["/front", "/rear"])
    assert all(node.taken[-1] == "cleanup" for node in nodes)


def test_an_interrupt_before_the_node_runs_ends_it_without_a_traceback(bus: Bus) -> None:
    def make(graph: FakeGraph) -> Steps:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as ended:
        run_node("bodyseg", make, [])
    assert ended.value.code == 130
    assert ended.value.__suppress_context__
