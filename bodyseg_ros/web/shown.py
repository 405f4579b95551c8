"""Interface between the live page and the program that it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..settings import Parameter

__all__ = ["Shown"]


class Shown(Protocol):
    """A camera with its network and parameters. All members may be used from several threads."""

    @property
    def title(self) -> str:
        """Title, such as '/robot1/bodyseg'."""
        ...

    @property
    def layers(self) -> Sequence[str]:
        """Names of the selectable images; the page shows the first one until another is selected."""
        ...

    @property
    def parameters(self) -> Sequence[Parameter]:
        """All parameters; live ones may be changed."""
        ...

    @property
    def values(self) -> Mapping[str, Any]:
        """Current value of every parameter, by name."""
        ...

    @property
    def figures(self) -> Mapping[str, str]:
        """Rates, delays, counts, engine."""
        ...

    @property
    def takes_photos(self) -> bool:
        """Whether photo() may be called."""
        ...

    def change(self, values: Mapping[str, Any]) -> None:
        """Change live parameters; returns when they apply. Raises SettingsError and then changes nothing."""
        ...

    def photo(self, data: bytes, layer: str) -> NDArray[np.uint8]:
        """Return a layer of a photo file: (H, W) gray, (H, W, 3) RGB or (H, W, 4) RGBA uint8. Raises BodysegError."""
        ...
