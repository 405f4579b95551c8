from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from bodyseg_ros.errors import MediaError
from bodyseg_ros.lab.labeled import labeled_photos


def picture(path: Path, value: int, size: tuple[int, int] = (4, 6)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((*size, 3), value, np.uint8))


def test_photos_and_masks(tmp_path: Path) -> None:
    picture(tmp_path / "photos/b.jpg", 10)
    picture(tmp_path / "photos/a.png", 20)
    picture(tmp_path / "masks/b.png", 255)
    picture(tmp_path / "masks/a.png", 127)
    first, second = labeled_photos(tmp_path)
    assert (first.photo.name, second.photo.name) == ("a.png", "b.jpg")
    assert not first.mask().any()
    assert second.mask().all()
    image, mask = first.read()
    assert (image.shape, mask.shape) == ((4, 6, 3), (4, 6))
    picture(tmp_path / "masks/a.png", 255, (2, 3))
    with pytest.raises(MediaError, match="label of 'a.png' is 3×2.*6×4"):
        labeled_photos(tmp_path)[0].read()
    picture(tmp_path / "masks/c.png", 0)
    with pytest.raises(MediaError, match=r"c.png'.*photo"):
        labeled_photos(tmp_path)


def test_coco_panoptic(tmp_path: Path) -> None:
    picture(tmp_path / "images/1.jpg", 10)
    ids = np.zeros((4, 6, 3), np.uint8)  # BGR of id = R + 256 G + 65536 B
    ids[:, :3] = (1, 2, 3)
    (tmp_path / "panoptic").mkdir()
    cv2.imwrite(str(tmp_path / "panoptic/1.png"), ids)
    person = {"id": 3 + 256 * 2 + 65536, "category_id": 1}
    other = {"id": 0, "category_id": 7}
    tree = {"annotations": [{"file_name": "1.png", "segments_info": [person, other]}]}
    (tmp_path / "panoptic.json").write_text(json.dumps(tree))
    (labeled,) = labeled_photos(tmp_path)
    mask = labeled.mask()
    assert mask[:, :3].all()
    assert not mask[:, 3:].any()
    assert labeled.people is not None
    np.testing.assert_array_equal(labeled.people()[0], [1, 1, 1, 0, 0, 0])
    person["iscrowd"] = 1
    (tmp_path / "panoptic.json").write_text(json.dumps(tree))
    (labeled,) = labeled_photos(tmp_path)
    assert labeled.people is not None
    np.testing.assert_array_equal(labeled.people()[0], [-1, -1, -1, 0, 0, 0])


def test_a_folder_of_anything_else(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"photos/.*images/.*masks/"):
        labeled_photos(tmp_path)


def test_coco_instances(tmp_path: Path) -> None:
    pytest.importorskip("pycocotools", reason="COCO's masks need pycocotools")
    picture(tmp_path / "images/1.png", 10)
    person = {"image_id": 1, "category_id": 1, "segmentation": [[0, 0, 3, 0, 3, 4, 0, 4]], "keypoints": [1, 1, 2] * 17}
    image = {"id": 1, "file_name": "1.png", "height": 4, "width": 6}
    (tmp_path / "people.json").write_text(json.dumps({"images": [image], "annotations": [person]}))
    (labeled,) = labeled_photos(tmp_path)
    assert labeled.keypoints == (tmp_path / "people.json", 1)
    _, mask = labeled.read()
    assert mask[:, :3].all()
    assert not mask[:, 3:].any()
