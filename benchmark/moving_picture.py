"""Write docs/moving.webp: the network in the package on a panning portrait, scikit-image's astronaut.

    python benchmark/moving_picture.py [FILE]

What is drawn changes: overlay and skeleton, body parts, blurred background, pixelated person.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Final

import numpy as np
from PIL import Image
from skimage import data

import bodyseg_ros as bodyseg
from bodyseg_ros.effects import compose_all, load_effects

SIDE_PX: Final = 300
FRAME_MS: Final = 80
#: (effects, frames)
SCENES: Final = (
    (("overlay", "skeleton"), 16),
    (("colored_parts",), 14),
    (("blur_background",), 14),
    (("pixelate",), 14),
)


def main(path: str) -> None:
    """Pan in a circle, so that the end meets the beginning."""
    whole = Image.fromarray(data.astronaut())
    scenes = [load_effects("effects", names, {}) for names, frames in SCENES for _ in range(frames)]
    pictures = []
    with bodyseg.load() as model:
        for number, effects in enumerate(scenes):
            angle = 2 * np.pi * number / len(scenes)
            side = 400 + 30 * np.cos(angle)
            left, top = 41 + 40 * np.sin(angle), 21 - 20 * np.cos(angle)
            box = (left, top, left + side, top + side)
            image = np.asarray(whole.resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC, box=box))
            frame = bodyseg.Frame(image, number * FRAME_MS * 10**6)
            result = replace(model.run(frame), frame=frame)
            pictures.append(Image.fromarray(compose_all(effects, frame, result)[..., :3]))
    first, *others = pictures
    first.save(path, save_all=True, append_images=others, duration=FRAME_MS, loop=0, quality=55, method=6)
    print(path)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "docs/moving.webp")
