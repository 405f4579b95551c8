"""`bodyseg demo`: camera, bodyseg and a recorder as separate processes on a graph of their own."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from ..effects import colored_parts, contact_sheet
from ..errors import MediaError
from ..media import open_source, write_photo
from ..parameter_files import read_params_file
from ..ros.graph.image_messages import read_compressed, read_image
from ..ros.graph.loopback import private_graph
from ..ros.graph.open_graph import usual_runtime
from ..ros.processes import NodeProcess
from .demo_clip import write_clip
from .model_loading import load_model, plan_model, sample_photo
from .reporting import progress_console, shows_progress

__all__ = ["demo"]

#: What is recorded: name under the node → type; the first one ends the recording.
_TOPICS: Final = {
    "/bodyseg/poses": "bodyseg_ros/msg/PersonPoseArray",
    "/bodyseg/mask": "sensor_msgs/msg/Image",
    "/bodyseg/parts": "sensor_msgs/msg/Image",
    "/bodyseg/overlay/compressed": "sensor_msgs/msg/CompressedImage",
    "/bodyseg/composite/compressed": "sensor_msgs/msg/CompressedImage",
    "/bodyseg/label_info": "vision_msgs/msg/LabelInfo",
    "/camera/camera_info": "sensor_msgs/msg/CameraInfo",
    "/diagnostics": "diagnostic_msgs/msg/DiagnosticArray",
}
#: Large pictures on a small machine give fewer frames than asked for, not a longer wait.
_LONGEST_S: Final = 20.0
#: For the first picture to come through, and the recording.
_PATIENCE_S: Final = 120.0
_REMAP: Final = ("-r", "image:=/camera/image_raw", "-r", "camera_info:=/camera/camera_info")


@shows_progress
def demo(
    input_path: Annotated[str, typer.Argument(metavar="[INPUT]", help="A photo, folder, video or webcam.")] = "",
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("out"),
    frames: Annotated[int, typer.Option(min=2, help="How many frames to record.")] = 40,
    rate: Annotated[float, typer.Option(min=0.1, help="Frames per second of the camera.")] = 5.0,
    model: Annotated[str, typer.Option(help="A model card; '': the default.")] = "",
    params: Annotated[Path | None, typer.Option(help="A ROS 2 parameter file for the node.")] = None,
    runtime: Annotated[
        str, typer.Option(help="What carries the topics: dds or zenoh (with a router of its own), or auto.")
    ] = "auto",
) -> None:
    """Run a camera, the node bodyseg and a recorder as processes on this machine, over ROS 2 topics.

    The default input is matplotlib's sample portrait. Writes OUT/photo.jpg (the camera's first picture),
    OUT/topics.png and OUT/topics.mcap, and prints a table of frames, rates and latencies. Then it cuts the person out
    of the first picture, lets two of them cross over a drawn background, and writes the clip with ids to
    OUT/people.mp4 and OUT/people.png.

    Example: bodyseg demo photo.jpg --out out
    """
    console = Console(soft_wrap=True, quiet=progress_console.quiet)
    if runtime == "auto":
        runtime = usual_runtime().replace("rclpy", "dds")
    source = input_path or sample_photo()
    camera_picture = _first_picture(source)
    if params:
        read_params_file(params)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise MediaError(f"The folder {str(out)!r} cannot be created: {err.strerror}.") from err
    bag = out / "topics.mcap"
    bag.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        report_path = Path(folder) / "report.json"
        with progress_console.status("starting three processes, the model is being loaded …"):
            # Best effort, as cameras are heard by default, loses large pictures where the kernel's buffers are small.
            given: dict[str, object] = {"qos_overrides./camera/image_raw.subscription.reliability": "reliable"}
            if model:
                given["model"] = model
            arguments = (*_REMAP, "--params-file", str(params)) if params else _REMAP
            limits = {"messages": frames, "seconds": _LONGEST_S}
            with private_graph(runtime) as environment:
                _run(environment, source, rate, given, arguments, limits | {"bag": bag, "report": report_path})
        report = json.loads(report_path.read_text(encoding="utf-8"))
    sheet = out / "topics.png"
    write_photo(out / "photo.jpg", camera_picture)
    write_photo(sheet, contact_sheet({"camera": camera_picture} | _pictures(bag), columns=3))
    _print(console, report)
    console.print(f"Contact sheet: {sheet}\nBag:           {bag}")
    with load_model(
        plan_model((read_params_file(params) if params else {}) | ({"model": model} if model else {}))
    ) as seer:
        clip = write_clip(seer, camera_picture, out)
    console.print(f"Two people:    {_told(*clip) if clip else 'no clip, as the network found no person to cut out'}")


def _run(
    environment: dict[str, str],
    source: str,
    rate: float,
    given: dict[str, object],
    arguments: tuple[str, ...],
    recording: dict[str, object],
) -> None:
    """Start the processes, recorder first, camera last; stop them when the recorder has enough."""
    topics = ",".join(f"{topic}:{type_name}" for topic, type_name in _TOPICS.items())
    with ExitStack() as stack:
        node = stack.enter_context(NodeProcess("bodyseg", environment, given, arguments))
        node.wait_for(" runs on ", patience_s=600)
        recorder = stack.enter_context(NodeProcess("recorder", environment, {"topics": f"[{topics}]"} | recording))
        recorder.wait_for("Recording")
        camera = stack.enter_context(NodeProcess("camera", environment, {"source": source, "rate": rate}, _REMAP))
        end = time.monotonic() + _PATIENCE_S
        while recorder.status is None and time.monotonic() < end:
            for process in (camera, node, recorder):
                process.check()
            time.sleep(0.1)
        recorder.wait(0.1)


def _told(files: list[Path], ids: list[set[int]]) -> str:
    """'out/people.mp4, out/people.png: ids 1, 2 in the first frame, 1, 2 in the last'."""
    first, last = (", ".join(map(str, sorted(ids[place]))) or "none" for place in (0, -1))
    return f"{', '.join(map(str, files))}: ids {first} in the first frame, {last} in the last, after they crossed"


def _first_picture(source: str) -> NDArray[np.uint8]:
    with open_source(source) as frames:
        return next(iter(frames)).image


def _pictures(bag: Path) -> dict[str, NDArray[np.uint8]]:
    """Name → picture, of the last moment that has them all; a network without masks gives the overlay alone."""
    from rosbags.highlevel import AnyReader

    moments: dict[tuple[int, int], dict[str, NDArray[np.uint8]]] = {}
    whole: dict[str, NDArray[np.uint8]] = {}
    with AnyReader([bag]) as reader:
        chosen = [connection for connection in reader.connections if connection.topic in _PICTURES]
        for connection, _, raw in reader.messages(chosen):
            message: Any = reader.deserialize(raw, connection.msgtype)
            name, read = _PICTURES[connection.topic]
            moment = moments.setdefault((message.header.stamp.sec, message.header.stamp.nanosec), {})
            moment[name] = read(message)
            if len(moment) == len(chosen):
                whole = moment
                moments.clear()
    return {name: whole[name] for name, _ in _PICTURES.values() if name in whole}


def _parts(message: Any) -> NDArray[np.uint8]:
    return colored_parts((read_image(message).image[..., 0] - np.uint8(1)).view(np.int8))


#: Topic → its name on the contact sheet, and how its message becomes a picture.
_PICTURES: Final[dict[str, tuple[str, Callable[[Any], NDArray[np.uint8]]]]] = {
    "/bodyseg/mask": ("mask", lambda message: read_image(message).image),
    "/bodyseg/parts": ("parts", _parts),
    "/bodyseg/overlay/compressed": ("overlay", lambda message: read_compressed(message).image),
    "/bodyseg/composite/compressed": ("composite", lambda message: read_compressed(message).image),
}


def _print(console: Console, report: dict[str, Any]) -> None:
    node = report["diagnostics"]
    console.print(
        f"bodyseg: {node.get('frames_in', '?')} frames in, {node.get('frames_out', '?')} out, "
        f"{node.get('dropped', '?')} dropped; {node.get('inference_ms', '?')} ms a frame, "
        f"{node.get('model', '?')} on {node.get('engine', '?')} ({node.get('device', '?')})"
    )
    table = Table("topic", "messages", "Hz", "latency, median ms", "99 % ms", box=None, pad_edge=False)
    for topic, row in report["topics"].items():
        if row["messages"] > 1:
            numbers = [row["rate_hz"], row["latency_median_ms"], row["latency_p99_ms"]]
            table.add_row(topic, str(row["messages"]), *(f"{number:.1f}" for number in numbers))
    console.print(table)
