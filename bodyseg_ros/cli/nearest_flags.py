"""Which flags somebody may have meant by one that there is not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher
from typing import Final

__all__ = ["nearest_flags"]

_ALIKE: Final = 0.7
_MOST: Final = 3


def nearest_flags(word: str, flags: Iterable[str]) -> list[str]:
    """At most three flags, the most alike first; one may be like the end of a flag's name: threshold."""
    scores = {flag: max(_ratio(word.lstrip("-"), end) for end in _ends(flag)) for flag in flags}
    ranked = sorted(scores, key=lambda flag: -scores[flag])  # of those equally alike, the first in the help comes first
    return [flag for flag in ranked[:_MOST] if scores[flag] >= _ALIKE]


def _ends(flag: str) -> Iterator[str]:
    """'--score-threshold' → 'score-threshold', 'threshold'."""
    name = flag.lstrip("-")
    yield name
    for separator in re.finditer(r"[-.]", name):
        yield name[separator.end() :]


def _ratio(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other).ratio()
