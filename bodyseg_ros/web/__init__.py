"""A live page for browsers: images, parameters, figures. The server's packages are imported when it starts."""

from __future__ import annotations

from .page_settings import PageSettings
from .viewers import Viewers

__all__ = ["PageSettings", "Viewers"]
