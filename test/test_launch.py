"""The launch files, read with stand-ins for ROS's launch packages: which arguments and nodes they have."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest

FOLDER = Path(__file__).resolve().parent.parent / "launch"
PACKAGES = [
    "launch",
    "launch.actions",
    "launch.conditions",
    "launch.launch_description_sources",
    "launch.substitutions",
    "launch_ros",
    "launch_ros.actions",
    "launch_ros.parameter_descriptions",
    "launch_ros.substitutions",
]


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> dict[str, MagicMock]:
    stand_ins = {name: MagicMock() for name in PACKAGES}
    for name, stand_in in stand_ins.items():
        monkeypatch.setitem(sys.modules, name, stand_in)
    return stand_ins


def read(name: str) -> dict[str, Any]:
    contents = runpy.run_path(str(FOLDER / f"{name}.launch.py"))
    contents["generate_launch_description"]()
    return contents


def arguments_of(launched: dict[str, MagicMock]) -> set[str]:
    return {call.args[0] for call in launched["launch.actions"].DeclareLaunchArgument.call_args_list}


def nodes_of(launched: dict[str, MagicMock]) -> list[str]:
    return [call.kwargs["executable"] for call in launched["launch_ros.actions"].Node.call_args_list]


def test_bodyseg(launched: dict[str, MagicMock]) -> None:
    read("bodyseg")
    assert arguments_of(launched) == {
        "namespace", "image", "params_file", "model", "rviz", "autostart", "use_sim_time", "log_level",
    }  # fmt: skip
    # Once with the parameter file's model and once with the argument's: exactly one of them runs.
    assert sorted(nodes_of(launched)) == ["bodyseg", "bodyseg", "rviz2"]


def test_demo(launched: dict[str, MagicMock]) -> None:
    read("demo")
    assert arguments_of(launched) == {"source", "rate", "rviz"}
    assert nodes_of(launched) == ["camera"]
    launched["launch.actions"].IncludeLaunchDescription.assert_called_once()


def test_multi_camera_includes_the_node_once_for_each_namespace(launched: dict[str, MagicMock]) -> None:
    contents = read("multi_camera")
    assert arguments_of(launched) == {"namespaces", "image"}
    launched["launch.substitutions"].LaunchConfiguration.return_value.perform.return_value = "[front, rear]"
    assert len(contents["include_each"](MagicMock())) == 2
    calls = launched["launch.actions"].IncludeLaunchDescription.call_args_list
    assert [dict(call.kwargs["launch_arguments"])["namespace"] for call in calls] == ["front", "rear"]
