"""Choose an adapter and join the graph."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Sequence

from ...dependencies import missing_package
from ...errors import GraphError, MissingDependencyError
from .names import parse_ros_arguments
from .port import Graph

__all__ = ["RUNTIMES", "open_graph"]

RUNTIMES = ("auto", "rclpy", "dds")


def open_graph(name: str, arguments: Sequence[str] = (), runtime: str = "auto") -> Graph:
    """Join the ROS graph as the node `name`; close() leaves it.

    arguments: ROS arguments (`--ros-args …`); others are not looked at. runtime: 'rclpy', 'dds', or 'auto' for
    rclpy where it and this package's messages can be imported, as in a sourced workspace. Raises GraphError for
    a wrong name, argument or runtime, MissingDependencyError where the runtime is not installed, SettingsError
    for a parameter file.
    """
    if runtime not in RUNTIMES:
        raise GraphError(f"There is no runtime {runtime!r}; there are {', '.join(RUNTIMES)}.")
    if runtime == "auto":
        runtime = "rclpy" if _in_workspace() else "dds"
    try:
        if runtime == "rclpy":
            from .rclpy_graph import RosGraph

            return RosGraph(name, arguments)
        from .dds_graph import DdsGraph
    except ModuleNotFoundError as err:
        if runtime == "dds":
            raise missing_package("The runtime 'dds'", err, "bodyseg_ros[dds]") from err
        raise MissingDependencyError(
            f"The runtime 'rclpy' needs the package {err.name!r}, which is not installed. Source a ROS 2 "
            "installation's setup.bash, or take the runtime 'dds'."
        ) from err
    logging.basicConfig(format="[%(levelname)s] [%(created).6f] [%(name)s]: %(message)s")
    return DdsGraph(parse_ros_arguments(name, arguments))


def _in_workspace() -> bool:
    """Whether rclpy is here, and this package as colcon builds it: with its messages."""
    return all(importlib.util.find_spec(name) for name in ("rclpy", "bodyseg_ros.msg"))
