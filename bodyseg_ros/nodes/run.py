"""Put a node on a graph and run it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence

from ..errors import BodysegError
from ..graph.opening import open_graph
from ..graph.port import Graph, Node

__all__ = ["run_node"]


def run_node(
    name: str, make: Callable[[Graph], Node], argv: Sequence[str] | None = None, runtime: str = "auto"
) -> None:
    """Run the node `make(graph)` until it is told to end.

    argv: ROS arguments, those of the program if None. runtime: 'rclpy', 'dds', or 'auto' for rclpy where it can be
    imported. An error raised on purpose ends the program with its sentence and status 1.
    """
    try:
        graph = open_graph(name, sys.argv[1:] if argv is None else argv, runtime)
        # What the core says (which engine, which file) belongs in a node's output too.
        logging.basicConfig(format="[%(levelname)s] [%(name)s]: %(message)s")
        logging.getLogger("bodyseg_ros").setLevel(logging.INFO)
        try:
            graph.spin(make(graph))
        finally:
            graph.close()
    except BodysegError as err:
        raise SystemExit(f"{name}: {err}") from err
