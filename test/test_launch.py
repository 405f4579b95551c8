"""The launch files as ROS would carry them out: which processes start, under which names, parameters and remappings.

`launch` and `launch_ros` are stood in for by a small interpreter of what the files use of them.
"""

from __future__ import annotations

import runpy
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from bodyseg_ros.parameter_files import read_params_file
from bodyseg_ros.plan import make_plan
from bodyseg_ros.ros.graph.names import parse_ros_arguments
from bodyseg_ros.ros.nodes.node_settings import CameraSettings, NodeSettings, PrivacySettings
from bodyseg_ros.settings import ModelSettings, Settings, build
from documented import typed_after

ROOT = Path(__file__).resolve().parent.parent
#: What the program of each node reads its parameters into.
SETTINGS: Mapping[str, type[Settings]] = {
    "bodyseg": NodeSettings,
    "camera": CameraSettings,
    "privacy_camera": PrivacySettings,
}

Context = dict[str, str]
Resolve = Callable[[Context], str]


def text_of(value: Any, context: Context) -> str:
    """A string, a substitution, or a sequence of both, which is one text."""
    if isinstance(value, str | Path):
        return str(value)
    if callable(value):
        return str(value(context))
    return "".join(text_of(part, context) for part in value)


def launch_configuration(name: str) -> Resolve:
    return lambda context: context[name]


def path_join(parts: Sequence[Any]) -> Resolve:
    return lambda context: str(Path(*(text_of(part, context) for part in parts)))


def python_expression(parts: Sequence[Any]) -> Resolve:
    return lambda context: str(eval(text_of(parts, context), {"__builtins__": {}}))


def find_package_share(package: str) -> Resolve:
    assert package == "bodyseg_ros"
    return lambda context: str(ROOT)


def if_condition(value: Any) -> Callable[[Context], bool]:
    """True for true and 1, false for false and 0, as launch.utilities.evaluate_condition_expression has it."""

    def holds(context: Context) -> bool:
        word = text_of(value, context).strip().lower()
        assert word in ("true", "false", "1", "0"), f"no truth value: {word!r}"
        return word in ("true", "1")

    return holds


def unless_condition(value: Any) -> Callable[[Context], bool]:
    return lambda context: not if_condition(value)(context)


@dataclass(frozen=True)
class ParameterValue:
    """launch_ros.parameter_descriptions.ParameterValue: a text read as YAML, of a known type."""

    value: Any
    value_type: Any = None

    def evaluated(self, context: Context) -> Any:
        text = text_of(self.value, context)
        if self.value_type is str:
            return text
        value = yaml.safe_load(text)
        if self.value_type is float and isinstance(value, int):
            value = float(value)
        kind = getattr(self.value_type, "__origin__", self.value_type)  # List[str] → list
        assert isinstance(value, kind), f"{text!r} is no {kind.__name__}"
        return value


@dataclass(frozen=True)
class Process:
    """What one Node action starts."""

    executable: str
    name: str
    namespace: str
    defaults: Mapping[str, Any]
    parameter_files: tuple[Path, ...]
    parameters: Mapping[str, Any]
    remappings: Mapping[str, str]
    arguments: tuple[str, ...]

    @property
    def values(self) -> dict[str, Any]:
        """Its parameters as the node sees them; of those before the files, in them and after them the last wins."""
        values = dict(self.defaults)
        for path in self.parameter_files:
            values |= read_params_file(path, self.name or self.executable, self.namespace or "/")
        return values | dict(self.parameters)


def node(**given: Any) -> Callable[[Context], Iterator[Process]]:
    def carry_out(context: Context) -> Iterator[Process]:
        if "condition" in given and not given["condition"](context):
            return
        files, defaults, parameters = [], {}, {}
        entries = given.get("parameters", ())
        of_files = [not isinstance(entry, Mapping) for entry in entries]
        for place, entry in enumerate(entries):
            if isinstance(entry, Mapping):
                for name, value in entry.items():
                    known = isinstance(value, ParameterValue)
                    # What says no type is read as YAML.
                    (defaults if any(of_files[place:]) else parameters)[name] = (
                        value if known else ParameterValue(value, object)
                    ).evaluated(context)
            else:
                files.append(Path(text_of(entry, context)))
        arguments = tuple(text_of(word, context) for word in given.get("arguments", ()))
        if given["package"] != "bodyseg_ros":
            given.setdefault("name", given["executable"])
        yield Process(
            given["executable"],
            text_of(given.get("name", ""), context),
            text_of(given.get("namespace", ""), context),
            defaults,
            tuple(files),
            parameters,
            {text_of(old, context): text_of(new, context) for old, new in given.get("remappings", ())},
            arguments,
        )

    return carry_out


def declare_launch_argument(name: str, *, default_value: Any = None, description: str) -> Callable[..., Iterator[Any]]:
    def carry_out(context: Context) -> Iterator[Process]:
        if name not in context:
            assert default_value is not None, f"the argument {name} must be given"
            context[name] = text_of(default_value, context)
        return iter(())

    return carry_out


def include(source: Any, *, launch_arguments: Any = ()) -> Callable[[Context], Iterator[Process]]:
    def carry_out(context: Context) -> Iterator[Process]:
        # Arguments given to an included file hold there; those given above it reach it too.
        inner = context | {name: text_of(value, context) for name, value in launch_arguments}
        yield from carry_out_file(Path(text_of(source, context)), inner)

    return carry_out


def carry_out_file(path: Path, context: Context) -> Iterator[Process]:
    for action in runpy.run_path(str(path))["generate_launch_description"]():
        yield from action(context)


def log_info(msg: str, condition: Callable[[Context], bool]) -> Callable[[Context], Iterator[Process]]:
    return lambda context: iter(())


MODULES: Mapping[str, Mapping[str, Any]] = {
    "launch": {"LaunchDescription": list},
    "launch.actions": {
        "DeclareLaunchArgument": declare_launch_argument,
        "IncludeLaunchDescription": include,
        "LogInfo": log_info,
    },
    "launch.conditions": {"IfCondition": if_condition, "UnlessCondition": unless_condition},
    "launch.launch_description_sources": {"PythonLaunchDescriptionSource": lambda location: location},
    "launch.substitutions": {
        "LaunchConfiguration": launch_configuration,
        "PathJoinSubstitution": path_join,
        "PythonExpression": python_expression,
    },
    "launch_ros": {},
    "launch_ros.actions": {"Node": node},
    "launch_ros.parameter_descriptions": {"ParameterValue": ParameterValue},
    "launch_ros.substitutions": {"FindPackageShare": find_package_share},
}

Start = Callable[..., dict[str, Process]]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Start:
    """Carries a launch file out, where rviz2 is installed; the processes by their programs' names."""
    packages = tmp_path / "opt/share/ament_index/resource_index/packages"
    packages.mkdir(parents=True)
    (packages / "rviz2").touch()
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"/nowhere:{tmp_path / 'opt'}")
    for name, content in MODULES.items():
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)

    def run(file: str, **arguments: str) -> dict[str, Process]:
        processes = list(carry_out_file(ROOT / "launch" / f"{file}.launch.py", dict(arguments)))
        by_name = {process.executable: process for process in processes}
        assert len(by_name) == len(processes), "a program was started twice"
        for process in processes:
            check(process)
        return by_name

    return run


def check(process: Process) -> None:
    """Each file is there, each parameter exists, has its type, and is in its range; the arguments are ROS's."""
    for path in process.parameter_files:
        assert path.is_file(), path
    if process.executable not in SETTINGS:
        return
    own = {name: value for name, value in process.values.items() if name not in ("use_sim_time", "autostart")}
    settings = SETTINGS[process.executable]
    build(settings, own) if settings is CameraSettings else make_plan(own, settings)
    parse_ros_arguments(process.executable, list(process.arguments))
    assert (ROOT / "bodyseg_ros/ros/nodes" / f"{process.executable}.py").is_file()


def remapped(image: str) -> dict[str, str]:
    """The image's topic, and those of image_transport's other forms beside it."""
    return {"image": image} | {f"image/{form}": f"{image}/{form}" for form in ("compressed", "ffmpeg", "foxglove")}


def test_bodyseg_as_it_is_given(start: Start) -> None:
    started = start("bodyseg")
    assert started.keys() == {"bodyseg"}
    bodyseg = started["bodyseg"]
    assert (bodyseg.name, bodyseg.namespace) == ("bodyseg", "")
    assert bodyseg.parameter_files == (ROOT / "config/default.yaml",)
    assert bodyseg.parameters == {"use_sim_time": False, "autostart": True}
    assert bodyseg.remappings == remapped("image") | {"depth/image": "depth/image"}
    assert parse_ros_arguments("bodyseg", list(bodyseg.arguments)).log_level == "info"


def test_bodyseg_with_every_argument(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("/**:\n  ros__parameters: {model: auto, score_threshold: 0.4}\n")
    started = start(
        "bodyseg",
        namespace="robot",
        image="/camera/image_raw",
        depth="/camera/depth/image_raw",
        params_file=str(file),
        model="bodypix-mobilenet-075",
        rviz="true",
        autostart="false",
        use_sim_time="true",
        log_level="debug",
        web_port="8080",
    )
    bodyseg = started["bodyseg"]
    assert bodyseg.namespace == "robot"
    assert bodyseg.values == {
        "web_port": 8080,
        "score_threshold": 0.4,
        "model": "bodypix-mobilenet-075",
        "use_sim_time": True,
        "autostart": False,
    }
    assert bodyseg.remappings == remapped("/camera/image_raw") | {"depth/image": "/camera/depth/image_raw"}
    assert parse_ros_arguments("bodyseg", list(bodyseg.arguments)).log_level == "debug"
    rviz = started["rviz2"]
    assert rviz.namespace == "robot"
    assert rviz.arguments[0] == "-d" and Path(rviz.arguments[1]).is_file()


def test_without_rviz_the_rest_starts(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMENT_PREFIX_PATH", "")
    assert start("bodyseg", rviz="true").keys() == {"bodyseg"}


@pytest.mark.parametrize(("model", "chosen"), [("", "auto"), ("posenet-mobilenet-075", "posenet-mobilenet-075")])
def test_a_model_is_the_arguments_or_else_the_files(start: Start, model: str, chosen: str) -> None:
    values = start("bodyseg", model=model)["bodyseg"].values
    assert values.get("model", ModelSettings.model_fields["model"].default) == chosen


def test_the_demonstration_feeds_the_node_from_its_own_camera(start: Start) -> None:
    started = start("demo", source="7", rate="5.0")
    assert started.keys() == {"camera", "bodyseg", "rviz2"}
    camera = started["camera"]
    assert camera.parameters == {"source": "7", "rate": 5.0}, "a webcam's number is a text"
    assert camera.remappings["image"] == started["bodyseg"].remappings["image"]
    # The node looks for the camera_info beside the image.
    assert camera.remappings["camera_info"] == "/camera/camera_info"
    assert camera.remappings["image"].startswith("/camera/")
    assert start("demo", rviz="false").keys() == {"camera", "bodyseg"}


def test_what_the_demonstration_is_given_for_the_node_reaches_it(start: Start) -> None:
    assert start("demo", model="bodypix-mobilenet-075")["bodyseg"].values["model"] == "bodypix-mobilenet-075"


def test_privacy_on_a_topic_and_on_a_source(start: Start) -> None:
    camera = start("privacy", image="/cam/image_raw", name="front", namespace="robot")["privacy_camera"]
    assert (camera.name, camera.namespace) == ("front", "robot")
    assert camera.parameter_files == (ROOT / "config/privacy.yaml",)
    assert camera.values["source"] == ""
    assert camera.remappings == remapped("/cam/image_raw")
    assert start("privacy", source="0")["privacy_camera"].values["source"] == "0"


def test_multi_camera_is_one_process_that_is_told_the_cameras(start: Start) -> None:
    started = start("multi_camera", cameras="[front, rear]", image="left/image_raw")
    assert started.keys() == {"bodyseg"}
    bodyseg = started["bodyseg"]
    # A node's name would make its parameters those of that node alone.
    assert (bodyseg.name, bodyseg.namespace) == ("", "")
    assert bodyseg.parameter_files == (ROOT / "config/default.yaml",)
    assert bodyseg.parameters == {"cameras": ["front", "rear"], "use_sim_time": False, "autostart": True}
    assert bodyseg.remappings == remapped("left/image_raw")
    with pytest.raises(AssertionError, match="cameras must be given"):
        start("multi_camera")


@pytest.mark.parametrize("file", sorted((ROOT / "config").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_parameter_file_is_one_that_its_node_takes(start: Start, file: Path) -> None:
    launched = "privacy" if file.stem == "privacy" else "bodyseg"
    (process,) = start(launched, params_file=str(file)).values()
    assert process.parameter_files == (file,)
    # A section that is misspelled, or of a node of another name, would be read and set nothing.
    (section,) = yaml.safe_load(file.read_text(encoding="utf-8")).items()
    assert (section[0], *section[1]) == ("/**", "ros__parameters")


@pytest.mark.parametrize("line", sorted(typed_after("ros2 launch bodyseg_ros")))
def test_a_documented_launch_has_its_file_and_its_arguments(start: Start, line: str) -> None:
    file, *words = shlex.split(line)
    given = dict(word.split(":=", 1) for word in words)
    declared = (ROOT / "launch" / file).read_text(encoding="utf-8")
    assert [name for name in given if f'"{name}"' not in declared] == []
    if file != "multi_camera.launch.py" or given:  # its cameras must be given
        assert start(file.removesuffix(".launch.py"), **given)
