"""The pictures that the golden files hold: python test/effects/drawn.py draws them anew; look at each."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from bodyseg_ros.effects import compose_all, load_effects
from bodyseg_ros.effects.example import example
from bodyseg_ros.plan import plugin_settings
from bodyseg_ros.settings import split_groups

GOLDEN = Path(__file__).parent / "golden"
SIZE = (90, 120)

#: File → (effects, parameters).
CASES = {
    "overlay": (("overlay",), {}),
    "overlay_background": (("overlay",), {"overlay.mask": "background", "overlay.edge_blur_px": 2}),
    "overlay_parts": (("overlay",), {"overlay.mask": "parts", "overlay.contour_px": 0}),
    "colored_parts": (("colored_parts",), {}),
    "colored_parts_warm": (("colored_parts",), {"colored_parts.palette": "warm"}),
    "skeleton": (("skeleton",), {}),
    "cutout": (("cutout",), {}),
    "cutout_green": (("cutout",), {"cutout.background": "green"}),
    "alpha": (("alpha",), {}),
    "smooth_step": (("smooth_step",), {}),
    "smooth_step_placed": (("smooth_step", "virtual_background"), {}),
    "blur_background": (("blur_background",), {}),
    "virtual_background": (("virtual_background",), {}),
    "pixelate": (("pixelate",), {}),
    "pixelate_parts": (("pixelate",), {"pixelate.what": "parts", "pixelate.strength": 0.08}),
    "blur_parts": (("blur_parts",), {}),
    "anonymize": (("anonymize",), {}),
    "anonymize_faces": (("anonymize",), {"anonymize.what": "faces", "anonymize.how": "pixelate"}),
    "anonymize_blur": (("anonymize",), {"anonymize.how": "blur"}),
    "remove_people": (("remove_people",), {}),
    "color_transfer": (("virtual_background", "color_transfer"), {"virtual_background.color": [60, 80, 160]}),
    "seamless_clone": (("seamless_clone",), {}),
    "harmonize": (("virtual_background", "harmonize"), {"virtual_background.color": [60, 80, 160]}),
    "crop_to_people": (("crop_to_people", "skeleton"), {"crop_to_people.margin": 0.0}),
    "mirror": (("mirror", "overlay", "skeleton"), {}),
}


def drawn(name: str) -> np.ndarray:
    """The picture of a case."""
    effects, parameters = CASES[name]
    return compose_all(
        load_effects("effects", effects, plugin_settings("effects", split_groups(parameters)[1])), *example(*SIZE)
    )


if __name__ == "__main__":
    for case in CASES:
        code = cv2.COLOR_RGBA2BGRA if (picture := drawn(case)).shape[2] == 4 else cv2.COLOR_RGB2BGR
        cv2.imwrite(str(GOLDEN / f"{case}.png"), cv2.cvtColor(picture, code), [cv2.IMWRITE_PNG_COMPRESSION, 9])
