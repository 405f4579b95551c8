"""Private graphs on loopback: apart from each other, and about missing packages."""

from __future__ import annotations

import importlib
import random
import socket
import sys

import pytest

from bodyseg_ros.errors import GraphError, MissingDependencyError
from bodyseg_ros.ros.graph.loopback import private_environment, private_graph


def test_a_domain_in_use_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "sample", lambda *_: [91, 92])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 7410 + 250 * 91))
        assert private_environment()["ROS_DOMAIN_ID"] == "92"


def test_an_import_that_fails_inside_is_not_the_runtimes() -> None:
    pytest.importorskip("cyclonedds")
    with pytest.raises(ModuleNotFoundError, match="no_such_package"), private_graph("dds"):
        importlib.import_module("no_such_package")


def test_a_runtime_that_is_not_installed_says_which_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zenoh", None)
    with pytest.raises(MissingDependencyError, match=r"'zenoh'.*pip install '.*\[zenoh\]'"), private_graph("zenoh"):
        pass


def test_there_is_no_private_graph_of_an_installed_ros() -> None:
    with pytest.raises(GraphError, match="'rclpy'; there are dds and zenoh"), private_graph("rclpy"):
        pass
