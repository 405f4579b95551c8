"""What an import costs, and which way imports point."""

from __future__ import annotations

import ast
import pydoc
import subprocess
import sys
from collections import Counter
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
    "scipy",
    "starlette",
    "uvicorn",
)

#: Folder or module → those it may import from, besides itself. What is not listed here is not held.
ALLOWED = {
    "errors": set(),
    "allocation": set(),
    "body": set(),
    "dependencies": {"errors"},
    "plugins": {"errors", "dependencies"},
    "geometry": set(),
    "decoder_inputs": {"errors", "body", "geometry"},
    "frame_sequence": {"types"},
    "frame_skip": {"frame_sequence", "settings", "types"},
    "mirror": {"types"},
    "kernels": {"body", "types", "geometry", "decoder_inputs"},
    "person": {"errors"},
    "types": {"errors", "body", "geometry", "person"},
    "settings": {"errors"},
    "yaml_reader": {"errors"},
    "parameter_files": {"errors", "settings", "yaml_reader"},
    "decode": {"body", "types", "geometry", "kernels", "decoder_inputs"},
    "formats": {"errors", "dependencies", "types", "settings"},
    "catalog": {"errors", "settings", "plugins", "formats", "yaml_reader"},
    "engines": {"errors", "dependencies", "types", "settings", "plugins", "formats", "geometry", "body"},
    "networks": {
        "errors",
        "frame_sequence",
        "frame_skip",
        "mirror",
        "refine",
        "types",
        "settings",
        "plugins",
        "geometry",
        "body",
        "kernels",
        "decoder_inputs",
        "decode",
        "catalog",
    },
    "coco": {"person", "types"},
    "result_export": {"errors", "dependencies", "body", "person", "types", "effects", "media"},
    "effects": {
        "errors",
        "mirror",
        "types",
        "settings",
        "plugins",
        "geometry",
        "body",
        "media",
        "engines",
        "formats",
        "catalog",
        "frame_sequence",
    },
    "media": {"errors", "dependencies", "types", "settings", "plugins"},
    "refine": {"types", "settings", "frame_sequence", "mirror"},
    "web": {"errors", "parameter_files", "plugins", "settings"},
    "privacy": {"__version__", "errors", "refine", "types", "settings", "plan", "model", "effects", "media"},
    "events": {"errors", "body", "person", "settings", "types"},
    "tracking": {"errors", "dependencies", "body", "person", "types", "settings", "plugins"},
    "space": {"errors", "body", "mirror", "person", "refine", "tracking", "types"},
    "per_person": {
        "errors",
        "body",
        "person",
        "types",
        "settings",
        "plugins",
        "formats",
        "catalog",
        "engines",
        "networks",
    },
    "plan": {"errors", "settings", "plugins", "catalog", "networks", "per_person", "refine", "tracking", "events"},
    "model": {
        "errors",
        "frame_skip",
        "person",
        "kernels",
        "types",
        "settings",
        "plan",
        "networks",
        "engines",
        "catalog",
        "per_person",
        "refine",
        "tracking",
        "media",
    },
}
#: What the methods of a Result import when they are called, to draw and to convert: the one arrow that points up.
WHEN_CALLED = {"types": {"result_export", "coco", "media"}}


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
    assert files
    for path in files:
        assert imported_folders(path) - {part} <= ALLOWED[part] | WHEN_CALLED.get(part, set()), path


#: The floors above the library → the other floors that each may import from.
FLOORS = {"ros": set(), "lab": set(), "cli": {"ros", "lab"}}


@pytest.mark.parametrize("floor", sorted(FLOORS))
def test_no_floor_imports_from_one_above_or_beside_it(floor: str) -> None:
    files = list((PACKAGE / floor).rglob("*.py"))
    assert files
    for path in files:
        assert imported_folders(path) & FLOORS.keys() - {floor} <= FLOORS[floor], path


def test_the_library_imports_from_no_floor_above() -> None:
    for path in PACKAGE.rglob("*.py"):
        if path.relative_to(PACKAGE).parts[0] not in FLOORS:
            assert not imported_folders(path) & FLOORS.keys(), path


def test_every_part_of_the_library_is_held() -> None:
    parts = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert parts - FLOORS.keys() - {"__init__"} == ALLOWED.keys()


def test_no_module_name_stands_twice_outside_the_command() -> None:
    """The command's modules carry their command's name."""
    files = [path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] != "cli"]
    names = Counter(path.stem for path in files if path.stem != "__init__")
    assert [name for name, count in names.items() if count > 1] == []


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


def test_a_name_is_imported_once_and_dir_shows_it() -> None:
    shown = {name for name in dir(bodyseg_ros) if not name.startswith("_")}
    assert shown == set(bodyseg_ros.__all__)
    assert "__version__" in dir(bodyseg_ros)
    code = (
        "import bodyseg_ros; b = vars(bodyseg_ros); assert 'Wanted' not in b; bodyseg_ros.Wanted; assert 'Wanted' in b"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=PACKAGE.parent)


def test_help_shows_the_public_names() -> None:
    text = pydoc.render_doc(bodyseg_ros, renderer=pydoc.plaintext)
    assert all(name in text for name in bodyseg_ros.__all__)
    assert bodyseg_ros.__version__ in text


def test_the_version_is_the_same_everywhere() -> None:
    assert f"<version>{bodyseg_ros.__version__}</version>" in (PACKAGE.parent / "package.xml").read_text("utf-8")
    assert 'version = { attr = "bodyseg_ros.__version__" }' in (PACKAGE.parent / "pyproject.toml").read_text("utf-8")


def test_the_package_has_all_that_it_names_and_no_more() -> None:
    assert all(getattr(bodyseg_ros, name) is not None for name in bodyseg_ros.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Models'"):
        _ = bodyseg_ros.Models
    with pytest.raises(AttributeError, match="no attribute 'np'"):
        _ = bodyseg_ros.np
