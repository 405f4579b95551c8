"""Time tf-bodypix; run by a Python that has it, without bodyseg_ros."""

from __future__ import annotations

import json
import os
import sys
import time
from importlib.metadata import version
from typing import Any

import numpy as np

#: Our names for the numbers that tf-bodypix takes.
_FRACTIONS = {"low": 0.25, "medium": 0.5, "high": 0.75, "full": 1.0}


def main() -> None:
    """Answer requests until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # keep TensorFlow's output apart from the answers
    from tf_bodypix.api import load_model

    asked = json.loads(sys.stdin.readline())
    settings = asked["settings"]
    resolution = _FRACTIONS.get(settings["internal_resolution"], settings["internal_resolution"])
    words = {"output_stride": asked["stride"], "internal_resolution": resolution}
    model = load_model(asked["weights"], architecture_name="mobilenet_v1", **words)
    print(json.dumps({"name": f"tf-bodypix {version('tf-bodypix')}"}), file=answers)
    for line in sys.stdin:
        request = json.loads(line)
        image = np.fromfile(request["image"], np.uint8).reshape(request["height"], request["width"], 3)
        began = time.perf_counter()
        mask = _seen(model, image, request["task"], settings["segmentation_threshold"])
        milliseconds = 1e3 * (time.perf_counter() - began)
        print(json.dumps({"ms": milliseconds, "pixels": int(mask.sum()), "people": None}), file=answers)


def _seen(model: Any, image: Any, task: str, threshold: float) -> Any:
    """Return the person mask; with the task 'parts', the mask of pixels that have a part."""
    result = model.predict_single(image)
    mask = np.asarray(result.get_mask(threshold=threshold, dtype=np.uint8))
    return np.asarray(result.get_scaled_part_segmentation(mask)) >= 0 if task == "parts" else mask


if __name__ == "__main__":
    main()
