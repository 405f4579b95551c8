"""The plan of a node's parameters, without those that the node does not have."""

from __future__ import annotations

from typing import TypeVar

from ...errors import UnknownParameterError
from ...plan import Plan, make_plan
from ...settings import Settings
from ..graph.port import Graph

__all__ = ["plan_node"]

S = TypeVar("S", bound=Settings)


def plan_node(graph: Graph, own: type[S]) -> Plan[S]:
    """Make the plan from the parameters given to a node, as make_plan() does, but leave unknown ones out.

    A launch file's SetParameter reaches every node after it. Graph.declare() logs what is left out.
    """
    values = dict(graph.overrides)
    while True:
        try:
            return make_plan(values, own)
        except UnknownParameterError as err:  # noqa: PERF203 - a turn for each unknown name
            del values[err.name]
