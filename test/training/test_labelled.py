from __future__ import annotations

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from bodyseg_ros.errors import MediaError
from bodyseg_ros.training.labelled import labelled_photos, score, summary


def picture(path: Path, value: int, size: tuple[int, int] = (4, 6)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((*size, 3), value, np.uint8))


def test_iou_by_hand() -> None:
    truth = np.zeros((2, 4), bool)
    truth[0] = True  # 4 pixels
    seen = np.zeros((2, 4), np.uint8)
    seen[:, :2] = 1  # 4 pixels, 2 of them true: 2 / 6
    nobody = score("nobody", seen, np.zeros((2, 4), bool))
    figures = list(summary([score("one", seen, truth), nobody]).values())
    assert figures == pytest.approx([2 / 10, 2 / 6, 4 / 8])
    assert score("empty", np.zeros((2, 4)), np.zeros((2, 4), bool)).iou == 1.0
    assert math.isnan(next(iter(summary([]).values())))


def test_photos_and_masks(tmp_path: Path) -> None:
    picture(tmp_path / "photos/b.jpg", 10)
    picture(tmp_path / "photos/a.png", 20)
    picture(tmp_path / "masks/b.png", 255)
    picture(tmp_path / "masks/a.png", 127)
    first, second = labelled_photos(tmp_path)
    assert (first.photo.name, second.photo.name) == ("a.png", "b.jpg")
    assert not first.mask().any()
    assert second.mask().all()
    assert first.image().shape == (4, 6, 3)
    picture(tmp_path / "masks/c.png", 0)
    with pytest.raises(MediaError, match=r"c.png' has no photo of the same name"):
        labelled_photos(tmp_path)


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
    (labelled,) = labelled_photos(tmp_path)
    mask = labelled.mask()
    assert mask[:, :3].all()
    assert not mask[:, 3:].any()


def test_a_folder_of_anything_else(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"holds no labelled photos; it needs photos/ \(or images/\) and masks/"):
        labelled_photos(tmp_path)
