"""Start and query the programs in this folder."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import Any, Final

from ...errors import BodysegError

__all__ = ["Peer"]

_PATIENCE_S: Final = 10


class Peer:
    """A running program with its model, answering one request at a time.

    kind: for errors. name: the program's own name, with versions.
    """

    def __init__(
        self, kind: str, command: Sequence[str | Path], environment: Mapping[str, str], model: Mapping[str, Any]
    ) -> None:
        """Raises BodysegError, with the program's last output, if it does not start."""
        self.kind = kind
        self._said = TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        self._process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env=os.environ | environment,
        )
        try:
            self.name = str(self.ask(model)["name"])
        except BaseException:
            self.close()
            raise

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request and return the answer. Raises BodysegError with its last output if there is none."""
        if self._process.stdin is None or self._process.stdout is None:
            raise AssertionError("Popen was asked for pipes and gave none")
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
            answer = json.loads(self._process.stdout.readline())
        except (OSError, ValueError) as err:
            self._process.wait(_PATIENCE_S)
            self._said.seek(0)
            words = self._said.read().decode(errors="replace").strip().splitlines() or ["nothing"]
            raise BodysegError(f"{self.kind} ended with status {self._process.returncode}: {words[-1]}") from err
        return dict(answer)

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()
        self._said.close()

    def __enter__(self) -> Peer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
