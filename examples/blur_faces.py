"""Blur the faces in a folder of photos, or in a video.

    python examples/blur_faces.py holiday/ blurred/
    python examples/blur_faces.py clip.mp4 blurred.mp4

A face that the network does not find stays visible. To publish a recording use `bodyseg anonymize`, which knows the
frames before and after each, and covers whole people.
"""

from __future__ import annotations

import sys
from pathlib import Path

import bodyseg_ros as bodyseg
from bodyseg_ros.effects import compose_all, load_effects, needs_of


def main(source: str, target: str) -> None:
    """Write a picture of the same name, or a video of the same length."""
    effects = load_effects("effects", ["blur_parts"], {})
    out = target if Path(target).suffix else str(Path(target) / "{name}.jpg")
    with bodyseg.load() as model, bodyseg.open_source(source) as frames, bodyseg.open_sink(out, frames.fps) as write:
        for frame in frames:
            write(compose_all(effects, frame, model.run(frame, needs_of(effects))), frame)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
