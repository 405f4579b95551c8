"""What an import costs, and which way imports point."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "bodyseg_ros"
HEAVY = ("tensorflow", "keras", "rclpy", "cyclonedds", "rosbags", "matplotlib", "av", "onnxruntime", "openvino")

#: Folder or module → those it may import from, besides itself. What is not listed here is not held.
ALLOWED = {
    "errors": set(),
    "body": set(),
    "plugins": {"errors"},
    "geometry": set(),
    "types": {"errors", "body", "geometry"},
    "settings": {"errors"},
    "decode": {"errors", "body", "types", "geometry"},
    "formats": {"errors", "types", "settings"},
    "catalog": {"errors", "settings", "formats"},
    "engines": {"errors", "types", "settings", "plugins", "formats", "geometry", "body"},
    "networks": {"errors", "types", "settings", "geometry", "body", "decode", "catalog"},
    "effects": {"errors", "types", "settings", "geometry", "body"},
    "media": {"errors", "types", "settings", "plugins"},
    "pipeline": {"errors", "types", "settings", "plugins", "networks", "engines", "catalog", "formats"},
}


def imported_folders(path: Path) -> set[str]:
    """Top-level parts of the package that a file imports from."""
    depth = len(path.relative_to(PACKAGE).parts)
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            if node.level == depth:
                found |= {node.module.split(".")[0]} if node.module else {alias.name for alias in node.names}
            elif node.level == 0 and node.module and node.module.startswith("bodyseg_ros."):
                found.add(node.module.split(".")[1])
    return found


@pytest.mark.parametrize("part", sorted(ALLOWED))
def test_imports_point_one_way(part: str) -> None:
    folder = PACKAGE / part
    files = sorted(folder.rglob("*.py")) if folder.is_dir() else [PACKAGE / f"{part}.py"]
    for path in files:
        assert imported_folders(path) - {part} <= ALLOWED[part], path


def test_nothing_imports_graph_nodes_or_cli() -> None:
    for path in PACKAGE.rglob("*.py"):
        own = path.relative_to(PACKAGE).parts[0]
        if own not in ("graph", "nodes", "cli"):
            assert not imported_folders(path) & {"graph", "nodes", "cli"}, path


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = f"import sys, bodyseg_ros; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    assert done.stdout.strip() == "[]"
