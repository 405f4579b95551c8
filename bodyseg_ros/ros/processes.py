"""Nodes as processes on this machine, for the demo, benchmarks and tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from ..errors import GraphError

__all__ = ["NodeProcess", "Usage", "usage"]


@dataclass(frozen=True)
class Usage:
    """Resources used so far: CPU time of all threads, s; resident memory, MB; number of threads."""

    cpu_s: float
    resident_mb: float
    threads: int


def usage(pid: int) -> Usage:
    """Read a process's usage on Linux: proc(5), /proc/PID/stat."""
    # The second field, the program's name, may contain spaces and parentheses.
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    ticks, pages = int(fields[11]) + int(fields[12]), int(fields[21])
    return Usage(ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE") / 1e6, int(fields[17]))


class NodeProcess:
    """A node of this package (`bodyseg`, `camera`, …) in its own process; stopped when the context ends.

    parameters: by dotted name. arguments: further ROS arguments, such as ('-r', 'image:=/camera/image').
    """

    def __init__(
        self,
        node: str,
        environment: Mapping[str, str],
        parameters: Mapping[str, object] | None = None,
        arguments: tuple[str, ...] = (),
    ) -> None:
        given = [part for name, value in (parameters or {}).items() for part in ("-p", f"{name}:={value}")]
        command = [sys.executable, "-m", f"{__package__}.nodes", node, "--ros-args", *given, *arguments]
        self.node = node
        self._lines: list[str] = []
        self._news = threading.Condition()
        path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(Path(__file__).parents[2])]))
        everything = os.environ | environment | {"PYTHONPATH": path}
        self._process = subprocess.Popen(
            command, env=everything, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    @property
    def status(self) -> int | None:
        """Exit status; None while it runs."""
        return self._process.poll()

    @property
    def said(self) -> str:
        """Its log so far."""
        return "".join(self._lines)

    def check(self) -> None:
        """Raise GraphError with the end of the log if the node failed."""
        if not self.status:
            return
        self._reader.join()
        how = f"with status {self.status}" if self.status > 0 else f"by {signal.Signals(-self.status).name}"
        words = [line.strip() for line in self._lines if line.strip()]
        last = f"It last said: {words[-1]}" if words else "It had said nothing."
        raise GraphError(f"The node {self.node} ended {how}. {last}")

    def wait_for(self, text: str, patience_s: float = 60.0) -> None:
        """Wait until the log contains `text`. Raises GraphError if the node ends first, or after `patience_s`."""
        with self._news:
            self._news.wait_for(lambda: text in self.said or not self._reader.is_alive(), patience_s)
        if text not in self.said:
            if not self._reader.is_alive():
                self._process.wait()
            self.check()
            raise GraphError(f"The node {self.node} did not log {text!r}; its log:\n{self.said}")

    def wait(self, patience_s: float) -> int:
        """Wait for the exit status. Raises GraphError after `patience_s`."""
        try:
            return self._process.wait(patience_s)
        except subprocess.TimeoutExpired as err:
            raise GraphError(
                f"The node {self.node} did not end within {patience_s:g} s; its log:\n{self.said}"
            ) from err

    def stop(self) -> int:
        """Stop it and wait; return the exit status."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            status = self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        self._reader.join()
        if self._process.stderr:
            self._process.stderr.close()
        return status

    def __enter__(self) -> NodeProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            with self._news:
                self._lines.append(line)
                self._news.notify_all()
        with self._news:
            self._news.notify_all()
