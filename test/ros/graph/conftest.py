"""Graphs for the tests: each test has a domain of its own on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bodyseg_ros.ros.graph.loopback import private_environment

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def domain(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of a private graph, in this process too."""
    private = private_environment()
    for name, value in private.items():
        monkeypatch.setenv(name, value)
    return private


@pytest.fixture
def start(domain: dict[str, str]) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `echo_node.py` with arguments on the private graph; ends it after the test."""
    started: list[subprocess.Popen[str]] = []

    def launch(runtime: str, *arguments: str) -> subprocess.Popen[str]:
        path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(ROOT)]))
        process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("echo_node.py")), runtime, *arguments],
            env={**os.environ, **domain, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield launch
    for process in started:
        process.terminate()
        process.communicate(timeout=20)


@pytest.fixture
def until() -> Callable[..., None]:
    """Serve a graph until a condition is true; fail if it never is."""

    def wait(condition: Callable[[], object], graph: object, seconds: float = 20.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "it did not happen in time"
            graph.spin_once(0.02)

    return wait
