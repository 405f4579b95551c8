"""Coverage by floor and folder of the package, read from the JSON that coverage.py wrote; its path is the argument."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path, PurePosixPath

FLOORS = ("cli", "lab", "ros")
COUNTED = ("num_statements", "covered_lines", "num_branches", "covered_branches")


def main() -> None:
    """Print a row for each folder, one for each floor, and one for all."""
    rows: defaultdict[str, list[int]] = defaultdict(lambda: [0] * len(COUNTED))
    for name, file in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["files"].items():
        folders = PurePosixPath(name).parts[1:-1]
        floor = folders[0] if folders and folders[0] in FLOORS else "library"
        folder = "/".join(folders) or "(files at the top)"
        for row in {"all", floor, floor if folder == floor else f"{floor}: {folder}"}:
            rows[row] = [count + file["summary"][key] for count, key in zip(rows[row], COUNTED, strict=True)]
    print(f"{'':<32}{'lines':>8}{'covered':>9}{'branches':>10}{'covered':>9}")
    for row in sorted(rows, key=lambda row: (row == "all", row)):
        lines, covered_lines, branches, covered_branches = rows[row]
        shares = [
            f"{covered / max(1, of):.1%}" for covered, of in ((covered_lines, lines), (covered_branches, branches))
        ]
        print(f"{row:<32}{lines:>8}{shares[0]:>9}{branches:>10}{shares[1]:>9}")


if __name__ == "__main__":
    main()
