"""The layouts for Foxglove and RViz show every topic that each of them can show."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent

#: Lichtblick's panel types (suite-base, panels/index.ts, 66adecb99 of 2026-08-07) → the settings that each reads.
PANELS = {
    "3D": {"topics", "layers"},
    "Image": {"imageMode", "topics", "layers"},
    "RawMessages": {"topicPath"},
    "DiagnosticSummary": {"topicToRender", "minLevel", "sortByLevel"},
    "Parameters": set(),
    "Tab": {"activeTabIdx", "tabs"},
}
LAYOUT = {"configById", "layout", "globalVariables", "playbackConfig", "userNodes"}
IMAGE_MODE = {"imageTopic", "minValue", "maxValue", "colorMode", "colorMap"}
GRID = {"instanceId", "layerId", "label", "visible", "size", "divisions"}
#: RViz's displays (rviz_default_plugins/plugins_description.xml and sources, f7112b1a of 2024-10-15) → properties.
POINTS = {"Topic", "Color Transformer", "Color", "Style", "Size (Pixels)"}
DISPLAYS = {
    "rviz_default_plugins/Grid": {"Reference Frame"},
    "rviz_default_plugins/Image": {"Topic"},
    "rviz_default_plugins/MarkerArray": {"Topic", "Namespaces"},
    "rviz_default_plugins/PointCloud2": POINTS,
    "rviz_default_plugins/LaserScan": POINTS,
}
QOS = {
    "Depth": {2},
    "Durability Policy": {"Volatile", "Transient Local"},
    "History Policy": {"Keep Last", "Keep All"},
    "Reliability Policy": {"Reliable", "Best Effort"},
}
OTHER_CLASSES = {
    *("rviz_common/Displays", "rviz_common/Time", "rviz_default_plugins/Interact", "rviz_default_plugins/MoveCamera"),
    *("rviz_default_plugins/Orbit", ""),
}


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


def test_foxglove_knows_every_panel_and_its_settings() -> None:
    layout = json.loads((ROOT / "config/foxglove_layout.json").read_text(encoding="utf-8"))
    assert layout.keys() == LAYOUT
    for name, panel in layout["configById"].items():
        kind = name.split("!")[0]  # what stands behind it only tells panels of one type apart
        assert panel.keys() - {"foxglovePanelTitle"} <= PANELS[kind], name
        assert panel.get("imageMode", {}).keys() <= IMAGE_MODE, name
        for instance, layer in (panel.get("layers") or {}).items():
            assert layer.keys() == GRID
            assert layer["instanceId"] == instance
            assert layer["layerId"] == "foxglove.Grid"
        for tab in panel.get("tabs", []):
            assert tab.keys() == {"title", "layout"}

    def check(split: Any) -> None:
        if isinstance(split, dict):
            assert split.keys() == {"direction", "first", "second", "splitPercentage"}
            assert split["direction"] in ("row", "column")
            assert 0 < split["splitPercentage"] < 100
            check(split["first"])
            check(split["second"])

    check(layout["layout"])


def test_the_layout_is_what_the_script_writes() -> None:
    made = runpy.run_path(str(ROOT / "scripts/foxglove_layout.py"))["layout"]()
    assert json.loads((ROOT / "config/foxglove_layout.json").read_text(encoding="utf-8")) == made


def test_rviz_has_a_display_for_every_picture_cloud_and_scan() -> None:
    config = yaml.safe_load((ROOT / "config/bodyseg.rviz").read_text(encoding="utf-8"))
    displays = config["Visualization Manager"]["Displays"]
    shown = {one["Topic"]["Value"].removeprefix("bodyseg/") for one in displays if "Topic" in one}
    can = ("sensor_msgs/Image", "sensor_msgs/PointCloud2", "sensor_msgs/LaserScan", "visualization_msgs/MarkerArray")
    assert {topic for topic, kind in topics().items() if kind in can} <= shown


def test_rviz_knows_every_display_and_its_properties() -> None:
    config = yaml.safe_load((ROOT / "config/bodyseg.rviz").read_text(encoding="utf-8"))
    manager = config["Visualization Manager"]
    for display in manager["Displays"]:
        assert display.keys() - {"Class", "Name", "Enabled"} <= DISPLAYS[display["Class"]], display["Name"]
        assert display.get("Color Transformer", "FlatColor") == "FlatColor"
        assert display.get("Style", "Points") == "Points"
        topic = display.get("Topic")
        if topic:
            assert topic.keys() == {"Value", *QOS}
            assert all(topic[name] in allowed for name, allowed in QOS.items()), display["Name"]
    classes = {one["Class"] for one in (*config["Panels"], *manager["Tools"], manager["Views"]["Current"], manager)}
    assert classes <= OTHER_CLASSES
    names = {one["Name"] for one in (*config["Panels"], *manager["Displays"])}
    windows = {name for name, state in config["Window Geometry"].items() if isinstance(state, dict)}
    assert windows <= names, "the geometry of a window that there is not"
