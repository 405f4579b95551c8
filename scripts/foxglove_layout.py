"""Write config/foxglove_layout.json: a panel for every topic of the node bodyseg.

python scripts/foxglove_layout.py > config/foxglove_layout.json
"""

from __future__ import annotations

import json
import sys
from typing import Any, Final

#: Panels of pictures: title → topic below /bodyseg.
PICTURES: Final = {
    "Overlay": "overlay/compressed",
    "Effects": "composite/compressed",
    "Parts": "parts_color/compressed",
    "Mask": "mask",
    "Part ids": "parts",
    "People's numbers": "instances",
    "Confidence": "confidence",
    "Classes": "classes",
    "Depth without people": "depth_without_people",
}
#: Depth in mm, near to far; by default black is 0 and white 65,535.
DEPTH: Final = {"minValue": 0, "maxValue": 6000, "colorMode": "colormap", "colorMap": "turbo"}
IN_SPACE: Final = ("markers", "points_without_people", "points_people", "scan_without_people")
MESSAGES: Final = ("events", "poses", "detections", "detections_3d", "people", "camera_info")
NAMES: Final = ("label_info", "mask/label_info", "classes/label_info")


def layout() -> dict[str, Any]:
    """The layout as Foxglove exports it."""
    panels: dict[str, Any] = {}
    for title, topic in PICTURES.items():
        mode = {"imageTopic": f"/bodyseg/{topic}"} | (DEPTH if topic == "depth_without_people" else {})
        panels[f"Image!{topic}"] = {"foxglovePanelTitle": title, "imageMode": mode, "topics": {}, "layers": {}}
    shown = {f"/bodyseg/{topic}": {"visible": True} for topic in IN_SPACE}
    grid = {
        "instanceId": "grid",
        "layerId": "foxglove.Grid",
        "label": "Grid",
        "visible": True,
        "size": 10,
        "divisions": 10,
    }
    panels["3D!space"] = {"foxglovePanelTitle": "In space", "topics": shown, "layers": {"grid": grid}}
    for topic in (*MESSAGES, *NAMES):
        panels[f"RawMessages!{topic}"] = {"foxglovePanelTitle": topic, "topicPath": f"/bodyseg/{topic}"}
    panels["DiagnosticSummary!diagnostics"] = {"topicToRender": "/diagnostics", "minLevel": 0, "sortByLevel": True}
    panels["Parameters!parameters"] = {"foxglovePanelTitle": "Parameters"}
    panels["Tab!pictures"] = _tabs(
        "Pictures", [(title, f"Image!{topic}") for title, topic in list(PICTURES.items())[1:]]
    )
    panels["Tab!messages"] = _tabs("Messages", [(topic, f"RawMessages!{topic}") for topic in (*MESSAGES, *NAMES)])
    left = _beside("column", f"Image!{PICTURES['Overlay']}", "3D!space", 55)
    right = _beside(
        "column", "DiagnosticSummary!diagnostics", _beside("column", "Tab!messages", "Parameters!parameters", 50), 20
    )
    whole = _beside("row", _beside("row", left, "Tab!pictures", 50), right, 72)
    return {
        "configById": panels,
        "globalVariables": {},
        "userNodes": {},
        "playbackConfig": {"speed": 1},
        "layout": whole,
    }


def _tabs(title: str, panels: list[tuple[str, str]]) -> dict[str, Any]:
    tabs = [{"title": name, "layout": panel} for name, panel in panels]
    return {"foxglovePanelTitle": title, "activeTabIdx": 0, "tabs": tabs}


def _beside(direction: str, first: Any, second: Any, percent: int) -> dict[str, Any]:
    return {"direction": direction, "first": first, "second": second, "splitPercentage": percent}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(layout(), indent=1) + "\n")
