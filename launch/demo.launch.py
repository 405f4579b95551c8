"""Start a camera node (photo, folder, video or webcam), the node bodyseg on it, and RViz."""

from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription

IMAGE = "/camera/image_raw"


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments and nodes; arguments of bodyseg.launch.py are accepted too."""
    launch_folder = PathJoinSubstitution([FindPackageShare("bodyseg_ros"), "launch"])
    return LaunchDescription(
        [
            DeclareLaunchArgument("source", default_value="0", description="Photo, folder, video, or webcam's number."),
            DeclareLaunchArgument("rate", default_value="0.0", description="Frames per second; 0: the source's own."),
            DeclareLaunchArgument("rviz", default_value="true", description="Start RViz with the node's displays."),
            Node(
                package="bodyseg_ros",
                executable="camera",
                name="camera",
                parameters=[
                    {
                        "source": ParameterValue(LaunchConfiguration("source"), value_type=str),
                        "rate": ParameterValue(LaunchConfiguration("rate"), value_type=float),
                    }
                ],
                remappings=[("image", IMAGE), ("camera_info", "/camera/camera_info")],
                output="screen",
            ),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(PathJoinSubstitution([launch_folder, "bodyseg.launch.py"])),
                launch_arguments={"image": IMAGE, "rviz": LaunchConfiguration("rviz")}.items(),
            ),
        ]
    )
