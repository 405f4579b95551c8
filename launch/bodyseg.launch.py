"""Start the node bodyseg on one camera, and optionally RViz."""

import os
from pathlib import Path

from launch.actions import DeclareLaunchArgument, LogInfo
from launch.conditions import IfCondition, UnlessCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution, PythonExpression
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription

SHARE = FindPackageShare("bodyseg_ros")
#: Values of image_transport whose topics follow the image's remapping.
TRANSPORTS = ("compressed", "ffmpeg", "foxglove")


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments and nodes."""
    model = LaunchConfiguration("model")
    # An empty model leaves the choice to the parameter file.
    chosen = PythonExpression(["'", model, "' != ''"])
    return LaunchDescription(
        [
            DeclareLaunchArgument("namespace", default_value="", description="Namespace of the node and its topics."),
            DeclareLaunchArgument("image", default_value="image", description="The camera's topic."),
            DeclareLaunchArgument(
                "depth", default_value="depth/image", description="The depth camera's topic, for people in space."
            ),
            DeclareLaunchArgument(
                "params_file",
                default_value=PathJoinSubstitution([SHARE, "config", "default.yaml"]),
                description="Parameters of the node.",
            ),
            DeclareLaunchArgument("model", default_value="", description="Model card; '': the parameter file's."),
            DeclareLaunchArgument(
                "web_port", default_value="0", description="Port of a live page, unless params_file has one; 0: none."
            ),
            DeclareLaunchArgument("rviz", default_value="false", description="Start RViz with the node's displays."),
            DeclareLaunchArgument("autostart", default_value="true", description="Configure and activate at start."),
            DeclareLaunchArgument("use_sim_time", default_value="false", description="Take the time from /clock."),
            DeclareLaunchArgument("log_level", default_value="info", description="debug, info, warn or error."),
            bodyseg([], UnlessCondition(chosen)),
            bodyseg([{"model": model}], IfCondition(chosen)),
            rviz(IfCondition(LaunchConfiguration("rviz"))),
        ]
    )


def rviz(condition: IfCondition) -> Node:
    """Start RViz under a condition, or log that it is not installed.

    A missing package would end the launch and leave the other processes running.
    """
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    marker = Path("share", "ament_index", "resource_index", "packages", "rviz2")
    if not any((prefix / marker).exists() for prefix in map(Path, filter(None, prefixes))):
        return LogInfo(msg="rviz2 is not installed, so it is not started.", condition=condition)
    return Node(
        package="rviz2",
        executable="rviz2",
        namespace=LaunchConfiguration("namespace"),
        arguments=["-d", PathJoinSubstitution([SHARE, "config", "bodyseg.rviz"])],
        condition=condition,
    )


def bodyseg(parameters: list, condition: IfCondition) -> Node:
    """Start the node with these additional parameters under a condition."""
    image = LaunchConfiguration("image")
    switches = {
        name: ParameterValue(LaunchConfiguration(name), value_type=bool) for name in ("use_sim_time", "autostart")
    }
    page = {"web_port": ParameterValue(LaunchConfiguration("web_port"), value_type=int)}
    return Node(
        package="bodyseg_ros",
        executable="bodyseg",
        name="bodyseg",
        namespace=LaunchConfiguration("namespace"),
        parameters=[page, LaunchConfiguration("params_file"), switches, *parameters],
        remappings=[
            ("image", image),
            *((f"image/{kind}", [image, f"/{kind}"]) for kind in TRANSPORTS),
            ("depth/image", LaunchConfiguration("depth")),
        ],
        arguments=["--ros-args", "--log-level", LaunchConfiguration("log_level")],
        output="screen",
        condition=condition,
    )
