"""`bodyseg node`, `camera`, `compositor`: the ROS 2 nodes, with or without a ROS installation."""

from __future__ import annotations

from typing import Annotated

import typer

from ..ros.nodes import bodyseg as bodyseg_node
from ..ros.nodes import camera as camera_node
from ..ros.nodes import compositor as compositor_node
from ..ros.nodes import privacy_camera as privacy_node

__all__ = ["camera", "compositor", "node", "privacy_camera", "ros_arguments"]

SourceOption = Annotated[str, typer.Option(help="A photo, folder, video or webcam number.")]

Runtime = Annotated[
    str,
    typer.Option(
        help="How to join the graph: rclpy, dds or zenoh (no ROS needed), or auto: rclpy in a sourced workspace, else "
        "what RMW_IMPLEMENTATION asks for, else what is installed."
    ),
]


def ros_arguments(context: typer.Context) -> list[str]:
    """Return the ROS arguments: everything from --ros-args on. Unknown arguments before it are refused."""
    words = list(context.args)
    if words and words[0] != "--ros-args":
        raise typer.BadParameter(
            f"There is no option or argument {words[0]!r}. Put ROS parameters and remappings after --ros-args: "
            "--ros-args -p model:=bodypix-mobilenet-050 -r image:=/camera/image_raw"
        )
    return words


def node(context: typer.Context, runtime: Runtime = "auto") -> None:
    """Run the node bodyseg: subscribe to a camera, publish masks, parts, poses and images.

    ROS arguments are passed on: bodyseg node --ros-args -r image:=/camera/image_raw -p model:=bodypix-mobilenet-075
    """
    bodyseg_node.main(ros_arguments(context), runtime)


def camera(
    context: typer.Context,
    source: SourceOption = "",
    rate: Annotated[float, typer.Option(help="Frames per second; 0: the source's own rate, 10 for photos.")] = 0.0,
    runtime: Runtime = "auto",
) -> None:
    """Run the node camera: publish a photo, folder, video or webcam on image and camera_info.

    ROS arguments are passed on: bodyseg camera --source photo.jpg --ros-args -r image:=/camera/image_raw
    """
    given = [part for part in (f"source:={source}" * bool(source), f"rate:={rate}" * bool(rate)) if part]
    own = [word for part in given for word in ("-p", part)]
    camera_node.main([*ros_arguments(context), "--ros-args", *own], runtime)


def privacy_camera(context: typer.Context, source: SourceOption = "", runtime: Runtime = "auto") -> None:
    """Run the node privacy_camera: publish a camera with people covered; dark if that fails.

    Without --source it takes the topic image. ROS arguments are passed on:
    bodyseg privacy-camera --source 0 --ros-args --params-file config/privacy.yaml
    """
    own = ("--ros-args", "-p", f"source:={source}") if source else ()
    privacy_node.main([*ros_arguments(context), *own], runtime)


def compositor(context: typer.Context, runtime: Runtime = "auto") -> None:
    """Run the node compositor: apply effects to an image and the mask with its stamp, without running a network.

    ROS arguments are passed on: bodyseg compositor --ros-args -r mask:=/bodyseg/mask -r image:=/camera/image_raw
    """
    compositor_node.main(ros_arguments(context), runtime)
