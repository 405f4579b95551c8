"""Put a node on a graph and run it."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from ...allocation import keep_freed_memory
from ...errors import BodysegError
from ..graph.local_graph import signals
from ..graph.names import RosArguments, parse_ros_arguments
from ..graph.open_graph import open_graph
from ..graph.port import Graph, Node

__all__ = ["run_node"]


def run_node(
    name: str,
    make: Callable[[Graph], Node],
    argv: Sequence[str] | None = None,
    runtime: str = "auto",
    namespaces: Callable[[RosArguments], Sequence[str]] | None = None,
) -> None:
    """Run the node `make(graph)` until it is told to end.

    argv: ROS arguments, those of the program if None. runtime: 'rclpy', 'dds', or 'auto' for rclpy where it can be
    imported. namespaces: of several nodes of this name, to be run in one process; none: one node, as argv says.
    An error raised on purpose ends the program with its sentence and status 1.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    keep_freed_memory()
    try:
        places = namespaces(parse_ros_arguments(name, arguments)) if namespaces else ()
        # The first rule wins.
        rules = [["--ros-args", "-r", f"__ns:={place}", "--"] for place in places] or [[]]
        with ExitStack() as stack:
            graphs = []
            for rule in rules:
                graphs.append(open_graph(name, [*rule, *arguments], runtime))
                stack.callback(graphs[-1].close)
            # What the core says (which engine, which file) belongs in a node's output too.
            logging.basicConfig(format="[%(levelname)s] [%(name)s]: %(message)s")
            logging.getLogger("bodyseg_ros").setLevel(logging.INFO)
            stack.pop_all()  # each is left where it was spun
            _spin(graphs, make)
    except BodysegError as err:
        raise SystemExit(f"{name}: {err}") from err
    except KeyboardInterrupt:  # before anything could be stopped in order, such as while packages are imported
        raise SystemExit(128 + signal.SIGINT) from None


def _spin(graphs: Sequence[Graph], make: Callable[[Graph], Node]) -> None:
    """Spin a node on each graph, and leave the graph, until all have ended.

    A signal or a failure ends all, a lifecycle's shutdown its own. Signals reach this thread: where there are several
    nodes, it only waits.
    """
    failures: list[Exception] = []
    running = list(graphs)

    def stop() -> None:
        for graph in tuple(running):
            graph.shutdown()

    def spin(graph: Graph) -> None:
        try:
            graph.spin(make(graph))
        except Exception as err:  # noqa: BLE001 - it is raised again below
            failures.append(err)
            stop()
        finally:
            running.remove(graph)
            graph.close()

    if len(graphs) == 1:
        spin(graphs[0])
    else:
        threads = [threading.Thread(target=spin, args=(graph,), name=graph.namespace) for graph in graphs]
        with signals(stop):
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    if failures:
        raise failures[0]
