"""What README.md and the pages tell a reader to type: lines of code blocks, and commands quoted within sentences."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    ROOT / "README.md",
    *(page for folder in ("docs", "examples", "models") for page in sorted((ROOT / folder).rglob("*.md"))),
]


@cache
def lines() -> dict[str, str]:
    """Each line, without its comment, and the page where it stands first."""
    found: dict[str, str] = {}
    for page in PAGES:
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        blocks = re.findall(r"```(?:bash|sh)?\n(.*?)```", text, re.DOTALL)
        typed = [line for block in blocks for line in block.splitlines()]
        typed += re.findall(r"^(?: {4}|\t)+(\S.*)$", text, re.MULTILINE)
        typed += re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
        for line in typed:
            for part in re.sub(r"\s+#.*|\s*&$", "", line.strip()).split(" && "):
                found.setdefault(" ".join(part.split()), page.relative_to(ROOT).as_posix())
    return found


def typed_after(program: str) -> dict[str, str]:
    """What follows `program`, a pattern, in each line that begins with it, and the page; none with "…" in it."""
    start = re.compile(rf"(?:[A-Z_]+=\S+ )*(?:[\w./]+/bin/)?{program} (.+)$")
    found = {match[1]: page for line, page in lines().items() if (match := start.match(line))}
    return {words: page for words, page in found.items() if "…" not in words}
