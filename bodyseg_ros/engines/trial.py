"""Run an unknown model file in a child process before opening it here.

A file of a few kilobytes can use any amount of memory or time, since tensor sizes may be computed at run time and
cannot be checked by reading. The child opens the file with the same engine and runs it once on a black image, while
the parent watches memory and time. Files that passed are remembered by checksum.
"""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from ..errors import BodysegError, ModelFileError
from ..formats import ModelSource, describe

__all__ = ["TrialLimits", "try_model"]

_log = logging.getLogger(__name__)
#: Image side for open dimensions: network px, a multiple of 32 plus 1, as BodyPix requires.
_OPEN_SIDE_PX: Final = 129
_POLL_S: Final = 0.02
#: Exit status of a child that found that it had exceeded its memory limit between two polls.
_TOO_LARGE: Final = 3


@dataclass(frozen=True)
class TrialLimits:
    """Limits of the child: peak resident memory in MB; time in seconds, imports included."""

    memory_mb: int = 3000
    time_s: float = 120.0


def try_model(
    engine: str,
    source: ModelSource,
    settings: Mapping[str, Any],
    passed: Path,
    limits: TrialLimits | None = None,
) -> None:
    """Run a model file once in a child process, unless it passed before.

    settings: the engine's. passed: folder that remembers passed files by `unknown_digest`; optional if not writable.
    Raises ModelFileError if the child exceeds a limit or dies. Errors raised by the child are ignored here; the
    caller's own attempt raises them again.
    """
    note = passed / f"{source.unknown_digest}-{engine}"
    if _is_file(note):
        return
    _log.info("Trying %s in a child process first; this is done once per file.", source.path.name)
    limits = limits or TrialLimits()
    problem = _watch(_start(engine, source, settings, limits), limits)
    if problem:
        raise ModelFileError(
            f"The model file {str(source.path)!r} is refused: in a trial run by {engine} in a child process, "
            f"{problem}. "
            "If you trust the file, set try_model_files to false."
        )
    try:
        passed.mkdir(parents=True, exist_ok=True)
        note.touch()
    except OSError as err:
        _log.debug("%s cannot be written: %s", note, err)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a folder of another owner
        return False


def _start(
    engine: str, source: ModelSource, settings: Mapping[str, Any], limits: TrialLimits
) -> subprocess.Popen[bytes]:
    package = Path(__file__).resolve().parents[2]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(package), os.environ.get("PYTHONPATH")]))
    }
    child = subprocess.Popen(
        [sys.executable, "-c", f"from {__name__} import main; main()"],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment,
    )  # fmt: skip
    asked = {
        "engine": engine,
        "settings": dict(settings),
        "path": str(source.path),
        "format": source.format,
        "input": source.input,
        "outputs": dict(source.outputs),
        "output_stride": source.output_stride,
        "any_stride": source.any_stride,
        "memory_mb": limits.memory_mb,
    }
    assert child.stdin is not None
    child.stdin.write(json.dumps(asked).encode())
    child.stdin.close()
    return child


def _watch(child: subprocess.Popen[bytes], limits: TrialLimits) -> str:
    """Wait for the child and kill it if it exceeds a limit; return the problem, '' if none."""
    deadline = time.monotonic() + limits.time_s
    try:
        while child.poll() is None:
            if _peak_mb(child.pid) > limits.memory_mb:
                return _too_large(limits)
            if time.monotonic() > deadline:
                return f"it was not done after {limits.time_s:g} s"
            time.sleep(_POLL_S)
    finally:
        child.kill()
        child.wait()
    if child.returncode == _TOO_LARGE:
        return _too_large(limits)
    return f"it ended that process with signal {-child.returncode}" if child.returncode < 0 else ""


def _too_large(limits: TrialLimits) -> str:
    return f"it took more than {limits.memory_mb} MB of memory"


def _peak_mb(pid: int) -> float:
    """Peak resident memory of a process from proc(5), VmHWM; 0 if unavailable."""
    try:
        peak = re.search(r"^VmHWM:\s*(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    except OSError:
        return 0.0
    return int(peak[1]) / 1024 if peak else 0.0


def main() -> None:
    """Run in the child: open the model described on standard input, and run it once on a black image."""
    from ..plugins import load_plugin
    from ..settings import build

    asked = json.load(sys.stdin)
    source = ModelSource(
        Path(asked["path"]),
        asked["format"],
        asked["input"],
        asked["outputs"],
        output_stride=asked["output_stride"],
        any_stride=asked["any_stride"],
    )
    try:
        engine_class = load_plugin("engines", asked["engine"])
        engine = engine_class(source, build(engine_class.Settings, asked["settings"]), 1)
        picture = describe(source).inputs[0]
        sides = [_OPEN_SIDE_PX if side is None else side for side in picture.shape[1:3]]
        channels = picture.shape[3:] or (3,)
        shape = (1, *sides, *(3 if count is None else count for count in channels))
        engine.run(np.zeros(shape, picture.dtype))
    except BodysegError:
        pass  # an expected error, which the real attempt raises too
    if _peak_mb(os.getpid()) > asked["memory_mb"]:
        raise SystemExit(_TOO_LARGE)
