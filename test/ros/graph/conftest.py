"""Graphs for the tests: each test has a domain of its own on loopback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bodyseg_ros.ros.graph.loopback import private_environment

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def zenoh_router() -> Iterator[str]:
    """Where a Zenoh router of our own listens; '' where Zenoh is not installed."""
    try:
        from bodyseg_ros.ros.graph.zenoh_session import open_router
    except ModuleNotFoundError:
        yield ""
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        endpoint = f"tcp/127.0.0.1:{probe.getsockname()[1]}"
    router = open_router(endpoint)
    yield endpoint
    router.close()


@pytest.fixture
def domain(monkeypatch: pytest.MonkeyPatch, zenoh_router: str) -> dict[str, str]:
    """The environment of a private graph, in this process too."""
    private = private_environment()
    if zenoh_router:
        private["ZENOH_CONFIG_OVERRIDE"] = f'connect/endpoints=["{zenoh_router}"]'
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
