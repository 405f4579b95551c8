"""Start the node privacy_camera, which covers people, on its own webcam or on a camera's topic.

How long people stay covered who are not seen (hold_frames, max_gap, delay_frames), and when the picture is dark instead
(max_age), are parameters of the file that `params_file` names.
"""

from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription

PARAMS = PathJoinSubstitution([FindPackageShare("bodyseg_ros"), "config", "privacy.yaml"])

#: Values of image_transport whose topics follow the image's remapping.
TRANSPORTS = ("compressed", "ffmpeg", "foxglove")


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments and the node."""
    image, name = LaunchConfiguration("image"), LaunchConfiguration("name")
    source = "Webcam's number, device, video or photo, opened by the node itself; '': the topic is taken."
    return LaunchDescription(
        [
            DeclareLaunchArgument("namespace", default_value="", description="Namespace of the node and its topics."),
            DeclareLaunchArgument("name", default_value="privacy_camera", description="Its topics are NAME/image, …"),
            DeclareLaunchArgument("source", default_value="", description=source),
            DeclareLaunchArgument(
                "image", default_value="image", description="The camera's topic, if there is no source."
            ),
            DeclareLaunchArgument("params_file", default_value=PARAMS, description="Its parameters: delay_frames, …"),
            Node(
                package="bodyseg_ros",
                executable="privacy_camera",
                name=name,
                namespace=LaunchConfiguration("namespace"),
                parameters=[
                    LaunchConfiguration("params_file"),
                    {"source": ParameterValue(LaunchConfiguration("source"), value_type=str)},
                ],
                remappings=[("image", image), *((f"image/{kind}", [image, f"/{kind}"]) for kind in TRANSPORTS)],
                output="screen",
            ),
        ]
    )
