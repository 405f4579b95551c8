"""Start a node bodyseg in each of several namespaces, in one process that shares one network."""

from typing import List  # noqa: UP035 - Humble's launch_ros requires it

from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription

SHARE = FindPackageShare("bodyseg_ros")
#: Values of image_transport whose topics follow the image's remapping.
TRANSPORTS = ("compressed", "ffmpeg", "foxglove")


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments and the process."""
    image = LaunchConfiguration("image")
    given = {"cameras": List[str], "use_sim_time": bool, "autostart": bool}  # noqa: UP006
    return LaunchDescription(
        [
            DeclareLaunchArgument("cameras", description="YAML list of namespaces, such as '[front, rear]'."),
            DeclareLaunchArgument(
                "image", default_value="camera/image_raw", description="The camera's topic in each namespace."
            ),
            DeclareLaunchArgument(
                "params_file",
                default_value=PathJoinSubstitution([SHARE, "config", "default.yaml"]),
                description="Parameters of the nodes; for all cameras under /**, for one under /front/bodyseg.",
            ),
            DeclareLaunchArgument("autostart", default_value="true", description="Configure and activate at start."),
            DeclareLaunchArgument("use_sim_time", default_value="false", description="Take the time from /clock."),
            DeclareLaunchArgument("log_level", default_value="info", description="debug, info, warn or error."),
            # Without a node name, the parameters apply to every node in the process.
            Node(
                package="bodyseg_ros",
                executable="bodyseg",
                parameters=[
                    LaunchConfiguration("params_file"),
                    {name: ParameterValue(LaunchConfiguration(name), value_type=kind) for name, kind in given.items()},
                ],
                remappings=[("image", image), *((f"image/{kind}", [image, f"/{kind}"]) for kind in TRANSPORTS)],
                arguments=["--ros-args", "--log-level", LaunchConfiguration("log_level")],
                output="screen",
            ),
        ]
    )
