"""`bodyseg web`: the node with its live page, on a source of this machine or on a topic."""

from __future__ import annotations

import logging
import socket
import tempfile
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from ..dependencies import missing_package
from ..media import open_source
from ..parameter_files import params_text
from ..ros.nodes.bodyseg import BodysegNode
from ..ros.nodes.camera import CameraNode
from ..ros.nodes.node_settings import NodeSettings
from ..ros.nodes.run_node import run_node, spin_all
from ..web.page_settings import is_loopback
from .node import Runtime
from .parameter_flags import takes_parameters

__all__ = ["web"]


@takes_parameters("model", "network", "engine", "effect", "refinement", "tracking", "tracker", "smoothing")
def web(
    values: dict[str, Any],
    source: Annotated[
        str, typer.Argument(metavar="[SOURCE]", help="A photo, folder, video or webcam number; none: drop photos.")
    ] = "",
    topic: Annotated[
        str,
        typer.Option(help="Instead of SOURCE: a topic of the ROS graph, /camera/image or /camera/image/compressed."),
    ] = "",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page; 0: a free one.")] = 8080,
    host: Annotated[str, typer.Option(help="Address of the page; 0.0.0.0: all addresses.")] = "127.0.0.1",
    token: Annotated[
        str, typer.Option(help="Token for other addresses, 12 characters or more; '': a new one is printed.")
    ] = "",
    changes: Annotated[
        bool | None,
        typer.Option(
            "--changes/--read-only",
            help="Whether the page may change parameters. Default: on this machine's own address without --topic.",
        ),
    ] = None,
    rate: Annotated[float, typer.Option(min=0.0, help="Frames per second of SOURCE; 0: its own.")] = 0.0,
    runtime: Runtime = "auto",
) -> None:
    """Show a photo, video, camera or topic on a page in the browser, with layers, effects and every live parameter.

    Photos dropped onto the page are shown in its place. The address is printed; Ctrl-C ends.

    Example: bodyseg web 0
    """
    if topic and source:
        raise typer.BadParameter("There are both a source and --topic; give one of them.")
    own = not topic and is_loopback(host)
    page = {
        "web_port": port or _free_port(host),
        "web_host": host,
        "web_token": token,
        "web_changes": own if changes is None else changes,
    }
    if source:
        open_source(source).close()
    logging.getLogger("node").setLevel(logging.INFO)
    with tempfile.TemporaryDirectory() as folder:
        input_name, transport = _input_of(topic)
        given = ["--ros-args", "--params-file", _write(Path(folder) / "node.yaml", values | transport | page)]
        if topic:
            run_node("bodyseg", BodysegNode, [*given, "-r", f"{input_name}:={topic}"], runtime)
            return
        camera = {"source": source, "rate": rate, "encoding": "rgb8"}
        _run_alone(given, ["--ros-args", "--params-file", _write(Path(folder) / "camera.yaml", camera)], bool(source))


def _run_alone(node: list[str], camera: list[str], with_camera: bool) -> None:
    """Run the node, and the camera it sees through, on a graph inside this process."""
    try:
        from ..ros.graph.fake_graph import Bus, FakeGraph
    except ModuleNotFoundError as err:
        raise missing_package("The live page", err, "bodyseg_ros[web]") from err
    bus = Bus()
    graphs = [FakeGraph("bodyseg", bus, node)]
    graphs += [FakeGraph("camera", bus, camera)] if with_camera else []
    spin_all(graphs, lambda graph: CameraNode(graph) if graph.name == "camera" else BodysegNode(graph))


def _input_of(topic: str) -> tuple[str, dict[str, str]]:
    """Return the node's input for a topic, whose last word may be how it carries pictures, and the parameter for it."""
    transport = topic.rpartition("/")[2]
    if transport == "raw" or transport not in get_args(NodeSettings.model_fields["image_transport"].annotation):
        return "image", {}
    return f"image/{transport}", {"image_transport": transport}


def _write(path: Path, values: dict[str, Any]) -> str:
    path.write_text(params_text(values), encoding="utf-8")
    return str(path)


def _free_port(host: str) -> int:
    with socket.create_server((host, 0)) as free:
        return int(free.getsockname()[1])
