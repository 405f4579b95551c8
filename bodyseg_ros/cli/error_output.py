"""The command's error output, and the exit status of Ctrl-C."""

from __future__ import annotations

import logging
import sys
from typing import Final

from rich.console import Console

__all__ = ["INTERRUPTED", "LineHandler", "complain"]

#: The shell's status for SIGINT: 128 + 2.
INTERRUPTED: Final = 130


def complain(sentence: str) -> None:
    """Write an error to standard error, in red, as one line for copying."""
    try:
        Console(stderr=True, soft_wrap=True).print(f"bodyseg: {sentence}", style="red", markup=False, highlight=False)
    except OSError:
        sys.stderr = None  # standard error is closed; Python must not try again at exit


class LineHandler(logging.Handler):
    """Log lines on standard error, above the progress bars; not cut at the terminal's width, so they can be copied."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        style = "yellow" if record.levelno >= logging.WARNING else "dim"
        console = Console(stderr=True, soft_wrap=True)
        console.print(f"{record.levelname.lower()}: {record.getMessage()}", style=style, markup=False, highlight=False)
