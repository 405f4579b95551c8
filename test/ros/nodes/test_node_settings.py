"""The files a user starts from hold only parameters that exist, with values that are allowed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bodyseg_ros.errors import SettingsError
from bodyseg_ros.parameter_files import read_params_file
from bodyseg_ros.plan import make_plan
from bodyseg_ros.ros.graph.fake_graph import FakeGraph
from bodyseg_ros.ros.nodes.bodyseg import BodysegNode
from bodyseg_ros.ros.nodes.node_settings import NodeSettings
from bodyseg_ros.ros.nodes.privacy_camera import PrivacyCameraNode
from bodyseg_ros.settings import build

CONFIG = Path(__file__).resolve().parents[3] / "config"


@pytest.mark.parametrize("path", sorted(CONFIG.glob("*.yaml")), ids=lambda path: path.stem)
def test_each_parameter_file_is_taken_by_the_node(path: Path) -> None:
    assert read_params_file(path) or path.stem == "default"
    node = PrivacyCameraNode if path.stem == "privacy" else BodysegNode
    graph = FakeGraph("bodyseg", arguments=["--ros-args", "--params-file", str(path)])
    node(graph)
    assert [text for level, text in graph.said if level == "warn"] == []


def test_the_default_file_sets_nothing_and_offers_what_is_the_default_anyway(tmp_path: Path) -> None:
    defaults = {parameter.name: parameter.default for parameter in make_plan({}, NodeSettings).parameters}
    text = (CONFIG / "default.yaml").read_text()
    assert read_params_file(CONFIG / "default.yaml") == {}
    offered = tmp_path / "offered.yaml"
    offered.write_text(re.sub(r"# (\w+: )", r"\1", text.replace(": {}", ":")))
    said = read_params_file(offered)
    assert {"model", "segmentation_threshold"} <= said.keys()
    assert said == {name: defaults[name] for name in said}


def test_no_two_parameters_of_the_node_have_one_name() -> None:
    all_of_them = names()
    assert len(all_of_them) == len(set(all_of_them))


def names(**values: str) -> list[str]:
    return [parameter.name for parameter in make_plan(values, NodeSettings).parameters]


def test_the_chosen_networks_parameters_stand_at_the_root() -> None:
    assert "max_poses" in names(model="posenet-mobilenet-075")
    assert "max_poses" not in names()


@pytest.mark.parametrize("parameter", ["effects", "overlay_effects"])
def test_a_picture_without_an_effect_is_refused(parameter: str) -> None:
    with pytest.raises(SettingsError, match="need at least one"):
        build(NodeSettings, {parameter: []})


def test_an_unknown_effect_is_named_with_those_there_are() -> None:
    arguments = ["--ros-args", "-p", "effects:=[blur_backgrund]"]
    with pytest.raises(SettingsError, match=r"effects is \['blur_backgrund'\].*'blur_background'"):
        BodysegNode(FakeGraph("bodyseg", arguments=arguments))
