"""What each effect costs: ms a frame, and share of a 33 ms frame, as a Markdown table. OpenCV on two threads.

python benchmark/effects.py
"""

from __future__ import annotations

import sys
import time

import cv2

from bodyseg_ros.effects import compose_all, load_effects
from bodyseg_ros.effects.example import example
from bodyseg_ros.plan import plugin_settings
from bodyseg_ros.plugins import plugin_names

FRAME_MS = 1000 / 30
REPEATS = 25
#: Settings beside the defaults, which cost something else.
MORE = {
    "overlay, mask: parts": ("overlay", {"mask": "parts"}),
    "pixelate, what: parts": ("pixelate", {"what": "parts"}),
    "anonymize, what: faces, how: blur": ("anonymize", {"what": "faces", "how": "blur"}),
}


def median_ms(name: str, settings: dict[str, object], size: tuple[int, int]) -> float:
    scene = example(*size)
    chain = load_effects("effects", (name,), plugin_settings("effects", {name: settings}))
    compose_all(chain, *scene)
    times = []
    for _ in range(5 if name == "seamless_clone" else REPEATS):
        began = time.perf_counter()
        compose_all(chain, *scene)
        times.append(time.perf_counter() - began)
    return sorted(times)[len(times) // 2] * 1e3


def main() -> None:
    cv2.setNumThreads(2)
    cases = {name: (name, {}) for name in plugin_names("effects")} | MORE
    print("| effect | 640×480, ms | of a frame | 1280×720, ms | of a frame |\n|---|---|---|---|---|")
    for caption, (name, settings) in sorted(cases.items()):
        small, large = (median_ms(name, settings, size) for size in ((480, 640), (720, 1280)))
        shares = f"{small:.1f} | {small / FRAME_MS:.0%} | {large:.1f} | {large / FRAME_MS:.0%}"
        print(f"| {caption} | {shares} |")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
