"""What an import costs, and which way imports point."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import bodyseg_ros

PACKAGE = Path(__file__).resolve().parent.parent / "bodyseg_ros"
HEAVY = (
    "tensorflow",
    "keras",
    "rclpy",
    "cyclonedds",
    "rosbags",
    "matplotlib",
    "av",
    "onnxruntime",
    "openvino",
    "ai_edge_litert",
)

#: Folder or module → those it may import from, besides itself. What is not listed here is not held.
ALLOWED = {
    "errors": set(),
    "allocation": set(),
    "body": set(),
    "plugins": {"errors"},
    "geometry": set(),
    "kernels": {"body", "types", "geometry"},
    "types": {"errors", "body", "geometry"},
    "settings": {"errors"},
    "decode": {"errors", "body", "types", "geometry", "kernels"},
    "formats": {"errors", "types", "settings"},
    "catalog": {"errors", "settings", "plugins", "formats"},
    "engines": {"errors", "types", "settings", "plugins", "formats", "geometry", "body"},
    "networks": {"errors", "types", "settings", "geometry", "body", "kernels", "decode", "catalog"},
    "effects": {"errors", "types", "settings", "geometry", "body", "media", "engines", "formats", "rendering"},
    "rendering": {"errors", "body"},
    "media": {"errors", "types", "settings", "plugins"},
    "refine": {"types", "settings"},
    "model": {
        "errors",
        "kernels",
        "types",
        "settings",
        "plugins",
        "networks",
        "engines",
        "catalog",
        "formats",
        "refine",
    },
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


def test_nothing_below_imports_ros_or_cli() -> None:
    for path in PACKAGE.rglob("*.py"):
        own = path.relative_to(PACKAGE).parts[0]
        if own not in ("ros", "lab", "cli"):
            assert not imported_folders(path) & {"ros", "cli"}, path


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import bodyseg_ros", (*HEAVY, "numpy", "cv2", "pydantic")),
        ("import bodyseg_ros.cli.main", (*HEAVY, "numpy", "cv2", "pydantic")),
        ("from bodyseg_ros import load", HEAVY),
    ],
)
def test_what_an_import_does_not_load(code: str, absent: tuple[str, ...]) -> None:
    code = f"import sys; {code}; print([name for name in {absent!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    assert done.stdout.strip() == "[]"


def test_the_package_has_all_that_it_names_and_no_more() -> None:
    assert all(getattr(bodyseg_ros, name) is not None for name in bodyseg_ros.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Models'"):
        _ = bodyseg_ros.Models
    with pytest.raises(AttributeError, match="no attribute 'np'"):
        _ = bodyseg_ros.np
