"""What the live page asks of that which it shows."""

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
        """What is shown, such as '/robot1/bodyseg'."""
        ...

    @property
    def layers(self) -> Sequence[str]:
        """Names of the pictures that can be chosen; the first is shown at first."""
        ...

    @property
    def parameters(self) -> Sequence[Parameter]:
        """All parameters; live ones may be changed."""
        ...

    @property
    def values(self) -> Mapping[str, Any]:
        """The value of every parameter now, by name."""
        ...

    @property
    def figures(self) -> Mapping[str, str]:
        """Rates, delays, counts, and what runs."""
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
