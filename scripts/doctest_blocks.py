"""A griffe extension: the examples in docstrings are shown as code."""

from __future__ import annotations

import re
from typing import Any

import griffe


class DoctestBlocks(griffe.Extension):
    """Puts a fence around each paragraph that starts with >>>."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called for each documented object."""
        if obj.docstring:
            fenced = re.sub(
                r"(?ms)^>>> .*?(?=\n\n|\Z)", lambda match: f"```pycon\n{match.group()}\n```", obj.docstring.value
            )
            obj.docstring.value = fenced
