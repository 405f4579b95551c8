"""Remake the pictures of README.md and the pages: run the commands in their captions.

    python scripts/pictures.py            all but plots of timings, which want an idle machine
    python scripts/pictures.py WORD …     those whose files or commands contain one of the words

A caption stands below its picture and ends with "Made by `command`."; the command is run in the root of the checkout.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
PAGES: Final = ("README.md", "docs/*.md", "models/*/README.md")
TIMINGS: Final = "bodyseg bench "


def captions() -> dict[str, str]:
    """Picture, relative to the root → the command in its caption."""
    found = {}
    for page in (path for pattern in PAGES for path in sorted(ROOT.glob(pattern))):
        text = page.read_text(encoding="utf-8")
        for match in re.finditer(r"!\[[^\]]*\]\(([^)]+)\)\n\n\*[^*]*?\bMade by\s+`([^`]+)`\.\*", text):
            picture = (page.parent / match[1]).resolve().relative_to(ROOT)
            found[picture.as_posix()] = " ".join(match[2].split())
    return found


def main(words: Sequence[str]) -> int:
    """Run each command once; return 1 if one fails."""
    commands: dict[str, list[str]] = {}
    for picture, command in captions().items():
        chosen = any(word in picture or word in command for word in words) if words else TIMINGS not in command
        if chosen:
            commands.setdefault(command, []).append(picture)
    failed = 0
    for command, pictures in commands.items():
        print(f"{', '.join(pictures)}: {command}", flush=True)
        failed += subprocess.run(command, shell=True, cwd=ROOT, check=False).returncode != 0
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
