"""One node bodyseg in each of several namespaces, each on that namespace's camera."""

import yaml
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare

from launch import LaunchContext, LaunchDescription


def generate_launch_description() -> LaunchDescription:
    """Arguments, and an inclusion for each namespace; other arguments of bodyseg.launch.py are taken too."""
    return LaunchDescription(
        [
            DeclareLaunchArgument("namespaces", description="YAML list of namespaces, such as '[front, rear]'."),
            DeclareLaunchArgument(
                "image", default_value="camera/image_raw", description="The camera's topic in each namespace."
            ),
            OpaqueFunction(function=include_each),
        ]
    )


def include_each(context: LaunchContext) -> list:
    """bodyseg.launch.py once for each namespace; how many there are is known only when the list has been read."""
    source = PathJoinSubstitution([FindPackageShare("bodyseg_ros"), "launch", "bodyseg.launch.py"])
    return [
        IncludeLaunchDescription(
            PythonLaunchDescriptionSource(source),
            launch_arguments={"namespace": str(namespace), "image": LaunchConfiguration("image")}.items(),
        )
        for namespace in yaml.safe_load(LaunchConfiguration("namespaces").perform(context))
    ]
