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


def test_privacy(launched: dict[str, MagicMock]) -> None:
    read("privacy")
    assert arguments_of(launched) == {"namespace", "name", "source", "image", "params_file"}
    assert nodes_of(launched) == ["privacy_camera"]


def test_multi_camera_is_one_process_that_is_told_the_cameras(launched: dict[str, MagicMock]) -> None:
    read("multi_camera")
    assert arguments_of(launched) == {"cameras", "image", "params_file", "autostart", "use_sim_time", "log_level"}
    assert nodes_of(launched) == ["bodyseg"]
    (node,) = launched["launch_ros.actions"].Node.call_args_list
    # A node's name would make its parameters those of that node alone.
    assert not {"name", "namespace"} & node.kwargs.keys()
    assert {"cameras", "use_sim_time", "autostart"} == node.kwargs["parameters"][1].keys()
