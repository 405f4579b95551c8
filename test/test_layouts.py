"""The layouts for Foxglove and RViz show every topic that each of them can show."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent


def topics() -> dict[str, str]:
    """The node's topics with their types, from the generated page: name below the node → type."""
    page = (ROOT / "docs/topics.md").read_text(encoding="utf-8").partition("## Node `privacy_camera`")[0]
    return dict(re.findall(r"^\| `~/([\w/]+)` \| ([\w/]*) ?\|", page, re.MULTILINE))


def panels_of(layout: Any) -> set[str]:
    """Ids of the panels in a tree of splits."""
    if isinstance(layout, str):
        return {layout}
    return panels_of(layout["first"]) | panels_of(layout["second"])


def test_foxglove_has_a_panel_for_every_topic() -> None:
    layout = json.loads((ROOT / "config/foxglove_layout.json").read_text(encoding="utf-8"))
    panels = layout["configById"]
    in_place = panels_of(layout["layout"])
    for tabs in [panels[name] for name in in_place if name.startswith("Tab!")]:
        in_place |= {tab["layout"] for tab in tabs["tabs"]}
    assert in_place == panels.keys(), "a panel is nowhere, or a place has no panel"
    shown = set(re.findall(r'"/bodyseg/([\w/]+)"', json.dumps(panels)))
    assert len(topics()) > 20
    assert {topic.removesuffix("/compressed") for topic in topics()} == {
        topic.removesuffix("/compressed") for topic in shown
    }


def test_foxglove_has_the_type_that_a_panel_shows() -> None:
    panels = json.loads((ROOT / "config/foxglove_layout.json").read_text(encoding="utf-8"))["configById"]
    for panel in panels.values():
        if "imageMode" in panel:
            kind = topics()[panel["imageMode"]["imageTopic"].removeprefix("/bodyseg/")]
            assert kind in ("sensor_msgs/Image", "sensor_msgs/CompressedImage", ""), panel


def test_the_layout_is_what_the_script_writes() -> None:
    made = runpy.run_path(str(ROOT / "scripts/foxglove_layout.py"))["layout"]()
    assert json.loads((ROOT / "config/foxglove_layout.json").read_text(encoding="utf-8")) == made


def test_rviz_has_a_display_for_every_picture_cloud_and_scan() -> None:
    config = yaml.safe_load((ROOT / "config/bodyseg.rviz").read_text(encoding="utf-8"))
    displays = config["Visualization Manager"]["Displays"]
    shown = {one["Topic"]["Value"].removeprefix("bodyseg/") for one in displays if "Topic" in one}
    can = ("sensor_msgs/Image", "sensor_msgs/PointCloud2", "sensor_msgs/LaserScan", "visualization_msgs/MarkerArray")
    assert {topic for topic, kind in topics().items() if kind in can} <= shown
