"""Compile int8 tflite files for Coral's Edge TPU with Google's compiler."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..errors import MissingDependencyError, ModelFileError

__all__ = ["Compiled", "compile_for_edgetpu", "require_compiler"]

_COMPILER: Final = "edgetpu_compiler"
#: Source: https://coral.ai/docs/edgetpu/compiler; without apt-key, which Debian 12 and Ubuntu 24.04 advise against.
_INSTALL: Final = (
    "curl https://packages.cloud.google.com/apt/doc/apt-key.gpg | sudo tee /etc/apt/trusted.gpg.d/coral-edgetpu.asc "
    ">/dev/null; echo 'deb https://packages.cloud.google.com/apt coral-edgetpu-stable main' | "
    "sudo tee /etc/apt/sources.list.d/coral-edgetpu.list; sudo apt-get update; sudo apt-get install edgetpu-compiler"
)
_COUNT: Final = "Number of operations that will run on {}: ([0-9]+)"


@dataclass(frozen=True)
class Compiled:
    """A compiled file; operations: how many run on the Edge TPU, and on the CPU, None if the compiler does not say."""

    path: Path
    on_edgetpu: int | None
    on_cpu: int | None


def require_compiler() -> str:
    """Return the compiler's path. Raises MissingDependencyError with the line that installs it."""
    found = shutil.which(_COMPILER)
    if found is None:
        raise MissingDependencyError(
            f"--to edgetpu needs Google's {_COMPILER}, which is not on the PATH. It runs on 64-bit x86 Debian and "
            f"Ubuntu; install it with: {_INSTALL}"
        )
    return found


def compile_for_edgetpu(path: Path) -> Compiled:
    """Compile model.tflite (int8, input of fixed size) to model_edgetpu.tflite beside it.

    Raises MissingDependencyError without the compiler, ModelFileError with its last words if it fails.
    """
    command = [require_compiler(), "-o", str(path.parent.absolute()), str(path.absolute())]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    said = done.stdout + done.stderr
    made = path.with_name(f"{path.stem}_edgetpu.tflite")
    if done.returncode or not made.is_file():
        last = next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "no reason given")
        raise ModelFileError(f"{_COMPILER} cannot compile {str(path)!r} (exit status {done.returncode}): {last}")
    counts = [re.search(_COUNT.format(where), said) for where in ("Edge TPU", "CPU")]
    return Compiled(made, *(int(count[1]) if count else None for count in counts))
