"""docs/reference.md: what each row names is there, its command is one, and its test exists."""

from __future__ import annotations

import ast
import re
import shlex
from functools import cache
from pathlib import Path

import pytest

import bodyseg_ros as bodyseg
from bodyseg_ros.catalog import card_names
from bodyseg_ros.cli.parameter_flags import all_parameters
from bodyseg_ros.effects import rendering
from bodyseg_ros.networks.bodypix import BodyPixSettings
from bodyseg_ros.networks.posenet import PoseNetSettings
from bodyseg_ros.plugins import plugin_names
from command_lines import read_command

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs/reference.md").read_text(encoding="utf-8")
NAMES = {"bodyseg": bodyseg, "model": bodyseg.Model, "result": bodyseg.Result, "rendering": rendering}
#: Options of ours that no document has.
OURS = {"max_input_px", "close_up_score", "frame_skip", "skipped_frames"}


def rows() -> list[list[str]]:
    lines = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| document")]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines]


ROWS = rows()


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@cache
def known_names() -> set[str]:
    """Parameters, cards and plugins; a plugin's parameters also without its name."""
    parameters = {parameter.name for _, parameter in all_parameters()}
    plugins = {name for kind in ("effects", "networks", "engines") for name in plugin_names(kind)}
    return parameters | {name.split(".")[-1] for name in parameters} | set(card_names()) | plugins


@cache
def defined_in(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_row_has_its_cells() -> None:
    assert len(ROWS) > 90
    assert [row for row in ROWS if len(row) != 4 or "" in row] == []
    assert len({row[0] for row in ROWS if row[0] != "`flipHorizontal`"}) > len(ROWS) - 8


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0].replace("`", "")[:40])
def test_what_a_row_names_is_there(row: list[str]) -> None:
    _, here, shown, held = row
    if here.startswith("**not here**"):
        assert (shown, held) == ("–", "–")
        assert len(here) > len("**not here**: ") + 20, "a reason"
        return
    assert "**partly**" not in here or re.search(r"\*\*partly\*\*: .{20}", here), "a reason"
    for name in quoted(here):
        if name.startswith("--"):
            continue
        if "/" in name or name.endswith(".py"):
            assert (ROOT / "bodyseg_ros" / name).is_file(), name
        elif re.match(r"(Result|Person)\.", name):
            assert name.split(".")[1] in {*dir(bodyseg.Result), *dir(bodyseg.Person)}, name
        else:
            assert name in known_names(), name
    shows, tests = quoted(shown), quoted(held)
    assert shows and tests
    for text in shows:
        if text.startswith("bodyseg "):
            read_command(shlex.split(text)[1:])
        else:
            check_expression(text)
    for test in tests:
        path, name = test.split("::")
        assert name in defined_in(path), test


def check_expression(text: str) -> None:
    """A line of Python whose names are ours."""
    for node in ast.walk(ast.parse(text, mode="eval")):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in NAMES:
            assert hasattr(NAMES[node.value.id], node.attr), text


def test_every_option_of_the_reference_has_a_row() -> None:
    named = {name for row in ROWS for name in quoted(row[1])}
    for settings in (BodyPixSettings, PoseNetSettings):
        assert set(settings.model_fields) - named - OURS == set()


def test_every_network_file_that_was_published_has_a_row() -> None:
    named = {name for row in ROWS for name in re.findall(r"[a-z0-9]+(?:-[a-z0-9]+)+", " ".join(row[1:3]))}
    portraits = {name for name in card_names() if name.startswith(("portrait", "deeplab", "mediapipe", "movenet"))}
    others = {"portrait-mobilenet-v3-256-int8", "portrait-prisma-256-int8", "portrait-prisma-256-quant"}
    assert portraits - named <= others  # quantized forms of networks that have a row
