"""Engine for methods without a network: returns its input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from .engine import Engine

__all__ = ["PassthroughEngine"]


class PassthroughEngine(Engine):
    """Returns the prepared image as the output `image`; needs no file."""

    api_version = 1
    formats = frozenset({"none"})

    @property
    def device(self) -> str:
        """What it runs on."""
        return "CPU, no network"

    def load(self) -> None:
        """There is nothing to read."""

    def infer(self, tensor: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """The tensor itself, under the name `image`."""
        return {"image": tensor}
