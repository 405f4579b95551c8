"""Draw masks, boxes and skeletons with the annotators of supervision (pip install supervision).

python examples/annotate_with_supervision.py photo.jpg annotated.png
"""

from __future__ import annotations

import sys

import numpy as np
import supervision as sv
from PIL import Image

import bodyseg_ros as bodyseg


def main(photo: str, target: str) -> None:
    """Annotate one photo."""
    with bodyseg.load() as model:
        result = model(photo)
    people = result.to_supervision()
    # supervision's annotators expect BGR, as OpenCV does.
    scene = np.ascontiguousarray(result.frame.image[..., ::-1])
    scene = sv.MaskAnnotator(opacity=0.4).annotate(scene, people)
    scene = sv.BoxAnnotator().annotate(scene, people)
    labels = [f"person {score:.0%}" for score in people.confidence]
    scene = sv.LabelAnnotator().annotate(scene, people, labels)
    scene = sv.VertexAnnotator(radius=4).annotate(scene, result.to_supervision_keypoints())
    Image.fromarray(scene[..., ::-1]).save(target)
    print(f"{len(people)} people, {target} written")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
