"""Choose an adapter and join the graph."""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Sequence

from ...dependencies import missing_package
from ...errors import GraphError, MissingDependencyError
from .names import parse_ros_arguments
from .port import Graph

__all__ = ["RUNTIMES", "installed_runtimes", "open_graph", "usual_runtime"]

RUNTIMES = ("auto", "rclpy", "dds", "zenoh")
#: Runtime by RMW_IMPLEMENTATION, where no ROS is sourced.
_BY_RMW = {"rmw_zenoh_cpp": "zenoh"}


def open_graph(name: str, arguments: Sequence[str] = (), runtime: str = "auto") -> Graph:
    """Join the ROS graph as the node `name`; close() leaves it.

    arguments: ROS arguments (`--ros-args …`); others are ignored. runtime: 'rclpy', 'dds', 'zenoh', or 'auto' for
    usual_runtime(). Raises GraphError for an invalid name, argument or runtime, MissingDependencyError if the runtime
    is not installed, SettingsError for a parameter file.
    """
    if runtime not in RUNTIMES:
        raise GraphError(f"There is no runtime {runtime!r}; there are {', '.join(RUNTIMES)}.")
    if runtime == "auto":
        runtime = usual_runtime()
    try:
        if runtime == "rclpy":
            from .rclpy_graph import RosGraph

            return RosGraph(name, arguments)
        if runtime == "zenoh":
            from .zenoh_graph import ZenohGraph as Chosen
        else:
            from .dds_graph import DdsGraph as Chosen  # type: ignore[assignment]
    except ModuleNotFoundError as err:
        if runtime != "rclpy":
            raise missing_package(f"The runtime {runtime!r}", err, f"bodyseg_ros[{runtime}]") from err
        raise MissingDependencyError(
            f"The runtime 'rclpy' needs the package {err.name!r}, which is not installed. Source a ROS 2 "
            "installation's setup.bash, or use the runtime 'dds'."
        ) from err
    logging.basicConfig(format="[%(levelname)s] [%(created).6f] [%(name)s]: %(message)s")
    return Chosen(parse_ros_arguments(name, arguments))


def usual_runtime() -> str:
    """Return rclpy in a sourced workspace; zenoh if RMW_IMPLEMENTATION is rmw_zenoh_cpp; else dds or zenoh, whichever
    is installed; else dds.
    """
    if _in_workspace():
        return "rclpy"
    asked = _BY_RMW.get(os.environ.get("RMW_IMPLEMENTATION", ""))
    return asked or (*installed_runtimes(), "dds")[0]


def installed_runtimes() -> list[str]:
    """Runtimes of 'dds' and 'zenoh' whose packages are installed."""
    needed = {"dds": ("cyclonedds", "rosbags"), "zenoh": ("zenoh", "rosbags", "xxhash")}
    return [name for name, packages in needed.items() if all(map(importlib.util.find_spec, packages))]


def _in_workspace() -> bool:
    """Whether rclpy is installed, and this package built by colcon with its messages."""
    return all(importlib.util.find_spec(name) for name in ("rclpy", "bodyseg_ros.msg"))
