"""Write COCO annotations of a folder of photos: masks, boxes and keypoints, ready for pycocotools or a labeling tool.

python examples/export_coco.py holiday/ people.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import bodyseg_ros as bodyseg


def main(folder: str, target: str) -> None:
    """Write one file for the whole folder."""
    images, annotations = [], []
    with bodyseg.load() as model:
        for number, photo in enumerate(sorted(path for path in Path(folder).iterdir() if path.is_file()), start=1):
            result = model(photo)
            height, width = result.size
            images.append({"id": number, "file_name": photo.name, "width": width, "height": height})
            for annotation in result.to_coco(image_id=number):
                annotations.append({"id": len(annotations) + 1, **annotation})
    person = {
        "id": 1,
        "name": "person",
        "keypoints": list(bodyseg.KEYPOINT_NAMES),
        "skeleton": [[start + 1, end + 1] for start, end in bodyseg.SKELETON],
    }
    text = json.dumps({"images": images, "annotations": annotations, "categories": [person]})
    Path(target).write_text(text, encoding="utf-8")
    print(f"{len(images)} photos, {len(annotations)} people, {target} written")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
