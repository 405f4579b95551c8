"""Lines of README.md and the pages for pip, make and ROS: what they name of this package is there."""

from __future__ import annotations

import re
import shlex
from importlib.metadata import metadata

import pytest

from bodyseg_ros.cli.parameter_flags import all_parameters
from bodyseg_ros.parameter_files import parse_value
from bodyseg_ros.plan import make_plan
from bodyseg_ros.ros.nodes.node_settings import NodeSettings
from bodyseg_ros.ros.nodes.outputs import OUTPUTS
from documented import ROOT, typed_after

INSTALLS = {words for words in typed_after(r"pip3? install") if re.search(r"""["']?\.\[|bodyseg_ros\[""", words)}


@pytest.mark.parametrize("words", sorted(INSTALLS))
def test_a_documented_install_names_extras_that_exist(words: str) -> None:
    named = {name for inside in re.findall(r"\[([\w,-]+)\]", words) for name in inside.split(",")}
    assert named
    assert named <= set(metadata("bodyseg_ros").get_all("Provides-Extra"))


@pytest.mark.parametrize("words", sorted(typed_after("make")))
def test_a_documented_target_is_in_the_makefile(words: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    target, *variables = shlex.split(words)
    assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    assert [one for one in variables if f"{one.partition('=')[0]}  " not in makefile] == []


@pytest.mark.parametrize("words", sorted(words for words in typed_after("ros2 param set") if "/bodyseg" in words))
def test_a_documented_change_is_of_a_live_parameter_and_is_accepted(words: str) -> None:
    _, name, value = shlex.split(words)
    readers = [one for reader, one in all_parameters() if one.name == name and reader != "node privacy_camera"]
    assert readers
    assert all(one.live for one in readers)
    if not name.startswith("virtual_background."):  # a file of the reader's
        make_plan({name: parse_value(value)}, NodeSettings)


@pytest.mark.parametrize("words", sorted(words for words in typed_after("ros2 topic echo") if "/bodyseg" in words))
def test_a_documented_topic_is_published(words: str) -> None:
    assert words.split()[0].replace("/bodyseg", "~") in {output.topic for output in OUTPUTS}


def test_there_are_lines_of_each_kind() -> None:
    kinds = (INSTALLS, typed_after("make"), typed_after("ros2 param set"), typed_after("ros2 topic echo"))
    assert all(kinds), [len(kind) for kind in kinds]
