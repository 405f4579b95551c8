"""What a run of several inputs has done so far, so that the same command continues it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TextIO

from .storage import exists, fetched, join, put_into, remove

__all__ = ["RunJournal"]


class RunJournal:
    """The lines of poses.jsonl of each input, and records of those that are done, in a hidden folder of the output.

    Inputs are done in any order, but their lines are put together in the inputs' order: line by line as soon as all
    before are there, at the latest when the context ends. out: the folder of the outputs; '' if there are none, then
    nothing is recorded. count: of inputs. write: whether there is a poses.jsonl. also: where lines go as well.
    """

    def __init__(self, out: str, count: int, write: bool, also: Sequence[TextIO] = ()) -> None:
        self._stack = ExitStack()
        self._out, self._write, self._files = out, write, list(also)
        self._folder = join(out, ".bodyseg-run") if out else ""
        self._waiting, self._done, self._failed = list(range(count)), set[int](), set[int]()

    def __enter__(self) -> RunJournal:
        if not self._folder:
            self._folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="bodyseg-"))
        if self._write:
            path = self._stack.enter_context(put_into(self._out)) / "poses.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            self._files.append(self._stack.enter_context(path.open("w", encoding="utf-8")))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:
            for number in self._waiting:
                self._add_lines(number)

    def lines_of(self, number: int) -> str:
        """The file for the lines of an input."""
        return join(self._folder, f"{number:06}.jsonl")

    def record_of(self, number: int) -> str:
        """The file that tells that an input is done; '' if nothing is recorded."""
        return join(self._folder, f"{number:06}.json") if self._out else ""

    def finish(self, number: int, *, failed: bool) -> None:
        """An input is done, or has failed; then lines that are there are those of an earlier run."""
        self._done.add(number)
        self._failed |= {number} if failed else set()
        while self._waiting and self._waiting[0] in self._done:
            self._add_lines(self._waiting.pop(0))

    def remove(self) -> None:
        """All is done: nothing is to be continued."""
        if self._out:
            remove(self._folder)

    def _add_lines(self, number: int) -> None:
        lines = self.lines_of(number)
        if not self._files or number in self._failed or not exists(lines):
            return
        with fetched(lines) as path:
            for file in self._files:
                with Path(path).open(encoding="utf-8") as part:
                    shutil.copyfileobj(part, file)
                file.flush()
