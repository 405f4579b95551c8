"""The engine of methods that have no network: what goes in comes out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from numpy.typing import NDArray

from ..formats import ModelSource
from ..settings import Settings

__all__ = ["PassthroughEngine", "PassthroughSettings"]


class PassthroughSettings(Settings):
    """It has no parameters."""


class PassthroughEngine:
    """Hands the prepared picture on as the output `image`; needs no file."""

    Settings: ClassVar[type[Settings]] = PassthroughSettings
    formats: ClassVar[frozenset[str]] = frozenset({"none"})

    def __init__(self, source: ModelSource, settings: PassthroughSettings, threads: int = 0) -> None:
        pass

    @classmethod
    def speed(cls, settings: PassthroughSettings) -> float:
        """Nothing else runs what needs no network."""
        return 1.0

    @property
    def device(self) -> str:
        """What it runs on."""
        return "CPU, no network"

    def run(self, tensor: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """The tensor itself, under the name `image`."""
        return {"image": tensor}

    def close(self) -> None:
        """Nothing to give back."""
