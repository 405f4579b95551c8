"""A managed node's states without rclpy: transitions, and the services that request them.

Source: https://design.ros2.org/articles/node_lifecycle.html; numbers and labels as in rcl_lifecycle 9.2 (Jazzy),
``default_state_machine.c``, without error processing: a failed transition leaves the state unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

from .failures import describe
from .port import Graph, Node
from .qos import Qos

__all__ = ["Lifecycle"]

_STATES: Final[Mapping[str, int]] = {
    "unconfigured": 1,
    "inactive": 2,
    "active": 3,
    "finalized": 4,
    "configuring": 10,
    "cleaningup": 11,
    "shuttingdown": 12,
    "activating": 13,
    "deactivating": 14,
}
_EVENTS: Final = Qos(depth=10)


@dataclass(frozen=True)
class _Transition:
    id: int
    label: str
    start: str
    goal: str


@dataclass(frozen=True)
class _Step:
    """A transition that may be requested, and those that follow automatically."""

    asked: _Transition
    success: _Transition
    failure: _Transition


def _step(number: int, label: str, start: str, during: str, goal: str, outcome: int) -> _Step:
    # A failed shutdown still ends the node.
    back = "finalized" if label == "shutdown" else start
    return _Step(
        _Transition(number, label, start, during),
        _Transition(outcome, "transition_success", during, goal),
        _Transition(outcome + 1, "transition_failure", during, back),
    )


_STEPS: Final = (
    _step(1, "configure", "unconfigured", "configuring", "inactive", 10),
    _step(2, "cleanup", "inactive", "cleaningup", "unconfigured", 20),
    _step(3, "activate", "inactive", "activating", "active", 30),
    _step(4, "deactivate", "active", "deactivating", "inactive", 40),
    _step(5, "shutdown", "unconfigured", "shuttingdown", "finalized", 50),
    _step(6, "shutdown", "inactive", "shuttingdown", "finalized", 50),
    _step(7, "shutdown", "active", "shuttingdown", "finalized", 50),
)


class Lifecycle:
    """The state of the node that a graph spins. All calls come from the graph's thread."""

    def __init__(self, graph: Graph, node: Node) -> None:
        self.state = "unconfigured"
        self._graph, self._node = graph, node
        self._events = graph.publisher("~/transition_event", "lifecycle_msgs/msg/TransitionEvent", _EVENTS)
        kind = "lifecycle_msgs/srv/"
        graph.service("~/change_state", f"{kind}ChangeState", self._change_state)
        graph.service("~/get_state", f"{kind}GetState", self._get_state)
        graph.service("~/get_available_states", f"{kind}GetAvailableStates", self._get_available_states)
        graph.service("~/get_available_transitions", f"{kind}GetAvailableTransitions", self._get_available_transitions)
        graph.service("~/get_transition_graph", f"{kind}GetAvailableTransitions", self._get_transition_graph)

    @property
    def finished(self) -> bool:
        """Whether the node must stop spinning."""
        return self.state == "finalized"

    def start(self) -> None:
        """Configure and activate. Raises what a transition raises, after undoing it."""
        for label in ("configure", "activate"):
            (step,) = (step for step in self._possible() if step.asked.label == label)
            self._take(step)

    def end(self) -> None:
        """Deactivate and clean up as needed. Raises what a transition raises."""
        if not self.finished:
            (step,) = (step for step in self._possible() if step.asked.label == "shutdown")
            self._take(step)

    def _possible(self) -> list[_Step]:
        return [step for step in _STEPS if step.asked.start == self.state]

    def _take(self, step: _Step) -> None:
        """Do the transition and announce it. Raises what the node raises."""
        self._enter(step.asked)
        outcome = step.failure
        try:
            self._do(step.asked)
            outcome = step.success
        finally:
            self._enter(outcome)

    def _do(self, asked: _Transition) -> None:
        if asked.label == "shutdown":
            with ExitStack() as undo:
                if asked.start != "unconfigured":
                    undo.callback(self._node.cleanup)
                if asked.start == "active":
                    undo.callback(self._node.deactivate)
            return
        undo_name = {"configure": "cleanup", "activate": "deactivate"}.get(asked.label)
        try:
            getattr(self._node, asked.label)()
        except Exception:
            if undo_name:
                getattr(self._node, undo_name)()
            raise

    def _enter(self, transition: _Transition) -> None:
        self.state = transition.goal
        messages = self._graph.messages
        event = _description(messages, transition)
        self._events.publish(
            messages.make("lifecycle_msgs/msg/TransitionEvent", timestamp=self._graph.now_ns(), **event)
        )

    def _change_state(self, request: Any) -> dict[str, Any]:
        """Find the transition by label, else by number; log why it failed."""
        number, label = request.transition.id, request.transition.label
        for step in self._possible():
            if label == step.asked.label or (not label and number == step.asked.id):
                try:
                    self._take(step)
                except Exception as err:  # noqa: BLE001 - the node outlives it
                    self._graph.log("error", describe(err, step.asked.label))
                    return {"success": False}
                return {"success": True}
        self._graph.log("warn", f"The transition {label or number!r} is not possible while the node is {self.state}.")
        return {"success": False}

    def _get_state(self, request: Any) -> dict[str, Any]:
        return {"current_state": _state(self._graph.messages, self.state)}

    def _get_available_states(self, request: Any) -> dict[str, Any]:
        return {"available_states": [_state(self._graph.messages, label) for label in _STATES]}

    def _get_available_transitions(self, request: Any) -> dict[str, Any]:
        return self._described(step.asked for step in self._possible())

    def _get_transition_graph(self, request: Any) -> dict[str, Any]:
        return self._described(part for step in _STEPS for part in (step.asked, step.success, step.failure))

    def _described(self, transitions: Iterable[_Transition]) -> dict[str, Any]:
        messages = self._graph.messages
        kind = "lifecycle_msgs/msg/TransitionDescription"
        return {"available_transitions": [messages.make(kind, **_description(messages, one)) for one in transitions]}


def _state(messages: Any, label: str) -> Any:
    return messages.make("lifecycle_msgs/msg/State", id=_STATES[label], label=label)


def _description(messages: Any, transition: _Transition) -> dict[str, Any]:
    return {
        "transition": messages.make("lifecycle_msgs/msg/Transition", id=transition.id, label=transition.label),
        "start_state": _state(messages, transition.start),
        "goal_state": _state(messages, transition.goal),
    }
