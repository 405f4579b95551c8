"""Work for test/cli/test_many_files.py: in a module of its own, since other processes import it."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Number:
    """A number whose root is wanted. dies: a file; where there is none, one is made and the process ends."""

    value: int
    dies: str = ""

    @property
    def name(self) -> str:
        return str(self.value)


def take_root(number: Number, show: Any = None) -> int:
    if number.dies and not Path(number.dies).exists():
        Path(number.dies).touch()
        os._exit(9)
    if show:
        show(1, 1)
    return isqrt(number.value)


def die(number: Number, show: Any = None) -> int:
    """The root of all numbers but 13, which ends the process."""
    if number.value == 13:
        os._exit(9)
    return isqrt(number.value)


def wait_forever(number: Number, show: Any = None) -> int:
    """Leaves a file while it is at it."""
    path = Path(number.dies)
    path.write_text(str(os.getpid()))
    try:
        while True:
            time.sleep(0.05)
    finally:
        path.unlink()
