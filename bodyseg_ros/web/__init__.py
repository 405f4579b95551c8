"""A live page for browsers: pictures, parameters, figures. The server itself is imported when it starts."""

from __future__ import annotations

from .page_settings import PageSettings
from .viewers import Viewers

__all__ = ["PageSettings", "Viewers"]
