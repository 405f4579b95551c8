"""Start a node on a graph and run it."""

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

__all__ = ["run_node", "spin_all"]


def run_node(
    name: str,
    make: Callable[[Graph], Node],
    argv: Sequence[str] | None = None,
    runtime: str = "auto",
    namespaces: Callable[[RosArguments], Sequence[str]] | None = None,
) -> None:
    """Run the node `make(graph)` until it is stopped.

    argv: ROS arguments; None for the program's. runtime: rclpy, dds, zenoh, or auto. namespaces: one node in each, all
    in this process; none: one node in the namespace of argv. A BodysegError ends the program with its message and
    status 1.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    keep_freed_memory()
    try:
        places = namespaces(parse_ros_arguments(name, arguments)) if namespaces else ()
        # The first matching rule wins.
        rules = [["--ros-args", "-r", f"__ns:={place}", "--"] for place in places] or [[]]
        with ExitStack() as stack:
            graphs = []
            for rule in rules:
                graphs.append(open_graph(name, [*rule, *arguments], runtime))
                stack.callback(graphs[-1].close)
            # Log lines of the core (which engine, which file) belong in the node's log too.
            logging.basicConfig(format="[%(levelname)s] [%(name)s]: %(message)s")
            logging.getLogger("bodyseg_ros").setLevel(logging.INFO)
            stack.pop_all()  # each graph is left on the thread that spun it
            spin_all(graphs, make)
    except BodysegError as err:
        raise SystemExit(f"{name}: {err}") from err
    except KeyboardInterrupt:  # before an orderly stop is possible, such as during imports
        raise SystemExit(128 + signal.SIGINT) from None


def spin_all(graphs: Sequence[Graph], make: Callable[[Graph], Node]) -> None:
    """Spin a node on each graph until all have ended, and close the graphs.

    A signal or a failure ends all nodes, a lifecycle shutdown only its own. This thread receives signals; with several
    nodes it only waits.
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
