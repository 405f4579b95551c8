"""The option flip_horizontal."""

from __future__ import annotations

from typing import Any

from ..mirror import mirror_result
from ..settings import Settings, live
from ..types import Result

__all__ = ["FlipSettings", "flip_if_asked"]


class FlipSettings(Settings):
    """Mirroring of the result. Network settings inherit it."""

    flip_horizontal: bool = live(False, "Mirror the result, for a camera that acts as a mirror.")


def flip_if_asked(result: Result, settings: Any) -> Result:
    """The last step after decoding: the result, mirrored if the network's settings ask for it."""
    asked = isinstance(settings, FlipSettings) and settings.flip_horizontal
    return mirror_result(result) if asked else result
