"""Write docs/topics.md: the topics of every node, as the nodes themselves create them.

    python scripts/topics_page.py > docs/topics.md

Types and QoS come from the running nodes; what a topic means stands here. A topic without a meaning, or a meaning
without a topic, ends the program with an error.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from bodyseg_ros.ros.graph.fake_graph import Bus, FakeGraph
from bodyseg_ros.ros.graph.port import Endpoint
from bodyseg_ros.ros.nodes.bodyseg import BodysegNode
from bodyseg_ros.ros.nodes.camera import CameraNode
from bodyseg_ros.ros.nodes.compositor import CompositorNode
from bodyseg_ros.ros.nodes.privacy_camera import PrivacyCameraNode

ROOT: Final = Path(__file__).resolve().parent.parent
_HEADING: Final = """# Topics and messages

Made by `python scripts/topics_page.py` from the nodes. `~` is the node's name, such as `/bodyseg`. Every topic can be
remapped (`-r`), and its QoS overridden: `-p qos_overrides./bodyseg/mask.publisher.reliability:=best_effort`.

Outputs are computed only while they have subscribers, and carry the header of their frame. `bodyseg topics` lists
rates, and pairs whose QoS does not match. With `humans: true` the node publishes `/humans/bodies/…` too:
[people in space](people_in_space.md).
"""
#: Node → its class, and parameters that it needs to start.
NODES: Final[dict[str, tuple[Any, tuple[str, ...]]]] = {
    "bodyseg": (BodysegNode, ("model:=bodyseg-mobilenet-075",)),
    "privacy_camera": (PrivacyCameraNode, ()),
    "compositor": (CompositorNode, ()),
    "camera": (CameraNode, ("source:={photo}",)),
}
#: Node → topic → what it carries.
MEANINGS: Final[dict[str, dict[str, str]]] = {
    "bodyseg": {
        "image": "the camera; only the newest frame is kept. `image_transport:=compressed` takes `image/compressed`",
        "camera_info": "from beside the image, unless remapped",
        "depth/image": "depth, aligned to color or with its own camera_info (16UC1 mm, 32FC1 m)",
        "depth/camera_info": "of the depth camera",
        "points": "a lidar's or depth camera's cloud; heard while `~/points_…` has subscribers",
        "scan": "a laser scan; heard while `~/scan_without_people` has subscribers",
        "background/image": "a live background for effects; heard while an effect uses it",
        "/tf": "where the sensors are; heard while it is needed",
        "/tf_static": "as `/tf`",
        "~/mask": "mono8: 0 background, 255 person",
        "~/parts": "mono8: 0 background, part id + 1; names in `~/label_info`",
        "~/instances": "mono8: 0 background, number of the person in this frame, as in `~/poses`",
        "~/confidence": "probability of a person: mono8 (0 to 255) or 32FC1 (`confidence_encoding`)",
        "~/classes": "mono8: class of each pixel; networks with classes only",
        "~/parts_color": "each part in its color",
        "~/overlay": "the image under `overlay_effects`",
        "~/composite": "the image under `effects`",
        "~/camera_info": "the camera's, with the header of the frame",
        "~/poses": "17 keypoints, score, id and region of each person; empty without people",
        "~/detections": "boxes",
        "~/detections_3d": "boxes in meters; needs depth",
        "~/markers": "skeletons and boxes in space, for RViz and Foxglove; needs depth",
        "~/people": "positions and velocities, for social navigation; needs depth",
        "~/events": "who entered, left, is near, lies, raises a hand",
        "~/label_info": "names of the values in `~/parts`, latched",
        "~/mask/label_info": "names of the values in `~/mask`, latched",
        "~/classes/label_info": "names of the values in `~/classes`, latched",
        "~/depth_without_people": "depth with people removed: 0 or NaN",
        "~/points_without_people": "the cloud without people",
        "~/points_people": "the people's points alone",
        "~/scan_without_people": "the scan with people removed",
        "/diagnostics": "rate, age, drops, inference time, engine, device",
    },
    "privacy_camera": {
        "image": "the camera, unless `source` is set",
        "camera_info": "from beside the image",
        "~/image": "the camera's image with people covered, or a dark one with the reason",
        "~/camera_info": "with the header of the image",
        "/diagnostics": "as of bodyseg",
    },
    "compositor": {
        "image": "the camera",
        "mask": "the mask with the stamp of the image",
        "background/image": "a live background",
        "~/composite": "the image under `effects`",
        "/diagnostics": "as of bodyseg",
    },
    "camera": {"image": "the source's frames", "camera_info": "uncalibrated: all zero"},
}


def page() -> str:
    """The whole page."""
    lines = _HEADING.splitlines()
    for node, (make, parameters) in NODES.items():
        ends = sorted(_endpoints(node, make, parameters), key=lambda end: (end.publishes, end.topic))
        lines += ["", f"## Node `{node}`", "", "| topic | type | QoS | content |", "|---|---|---|---|"]
        lines += _rows(node, ends)
    lines += ["", "## Messages", ""]
    for path in sorted((ROOT / "msg").glob("*.msg")):
        lines += [f"### bodyseg_ros/{path.stem}", "", "```", path.read_text(encoding="utf-8").rstrip(), "```", ""]
    return "\n".join(lines).rstrip() + "\n"


def _rows(node: str, ends: list[Endpoint]) -> Iterator[str]:
    meanings, used = MEANINGS[node], set()
    for end in ends:
        topic = re.sub(f"^/{node}/", "~/", end.topic)
        key = topic if topic.startswith(("~", "/diagnostics", "/tf")) else topic[1:]
        plain = key.removesuffix("/compressed")
        if plain not in meanings:
            raise SystemExit(f"{node} has the topic {key}, whose meaning is not in {__file__}.")
        used.add(plain)
        content = "as JPEG" if plain != key else meanings[plain]
        way = "" if end.publishes else " (input)"
        qos = "reliable" if end.qos.reliable else "best effort"
        qos += ", latched" if end.qos.latched else ""
        yield f"| `{key}`{way} | {end.type.replace('/msg/', '/')} | {qos} | {content} |"
    # Topics of other networks or message types are not there now.
    absent = [
        name for name in meanings if name not in used and not re.search("classes|points|scan|tf|background", name)
    ]
    if absent:
        raise SystemExit(f"{__file__} says what {', '.join(absent)} of {node} means, but there is no such topic.")
    for name in meanings:
        if name not in used:
            way = "" if name.startswith("~") else " (input)"
            yield f"| `{name}`{way} | | | {meanings[name]} |"


def _endpoints(name: str, make: Any, parameters: tuple[str, ...]) -> list[Endpoint]:
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder) / "photo.png"
        Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(photo)
        given = [word for text in parameters for word in ("-p", text.format(photo=photo))]
        graph = FakeGraph(name, Bus(), ["--ros-args", *given])
        node = make(graph)
        node.configure()
        node.activate()
        try:
            return graph.endpoints()
        finally:
            node.deactivate()
            node.cleanup()


if __name__ == "__main__":
    sys.stdout.write(page())
