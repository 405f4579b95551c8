"""Bring TensorFlow in, only when a model that needs it is opened."""

from __future__ import annotations

import os
from typing import Any

from ..dependencies import missing_package

__all__ = ["first_line", "load_tensorflow"]


def load_tensorflow() -> Any:
    """Import TensorFlow, quiet unless TF_CPP_MIN_LOG_LEVEL is set, with GPU memory allocated on demand.

    Raises MissingDependencyError with the pip line.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # The only switch that also works with a memory limit, which would otherwise be allocated at once.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    try:
        import tensorflow
    except ModuleNotFoundError as err:
        raise missing_package("A model in TensorFlow's formats", err, "bodyseg_ros[tensorflow]") from err
    return tensorflow


def first_line(err: BaseException) -> str:
    """First informative line of a TensorFlow error, without heading and source location."""
    headings = ("Graph execution error", "Detected at", "<stack traces", "File ")
    lines = [line.strip() for line in str(err).splitlines()]
    text = next((line for line in lines if line and not line.startswith(headings)), type(err).__name__)
    return text.rstrip(".")
