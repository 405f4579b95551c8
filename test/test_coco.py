from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bodyseg_ros.coco import encode_mask
from bodyseg_ros.types import Poses, Result

coco_masks = pytest.importorskip("pycocotools.mask")

# pycocotools' own, under NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
SIZES = st.tuples(st.integers(1, 40), st.integers(1, 40))


def theirs(mask: np.ndarray) -> str:
    return coco_masks.encode(np.asfortranarray(mask))["counts"].decode()


@given(SIZES.flatmap(lambda size: arrays(np.uint8, size, elements=st.integers(0, 1))))
def test_run_lengths_are_those_of_pycocotools(mask: np.ndarray) -> None:
    ours = encode_mask(mask)
    assert ours["counts"] == theirs(mask)
    np.testing.assert_array_equal(coco_masks.decode(ours), mask)


@pytest.mark.parametrize("value", [0, 1])
def test_long_runs(value: int) -> None:
    mask = np.full((1500, 2000), value, np.uint8)
    mask[700, 900], mask[3, 1999] = 1 - value, 1 - value
    assert encode_mask(mask)["counts"] == theirs(mask)
    assert encode_mask(mask * np.uint8(255)) == encode_mask(mask == 1)


def two_people() -> Result:
    """Person 0 with a speck far off, person 1 a rectangle."""
    instances = np.full((60, 80), -1, np.int16)
    instances[10:40, 5:25] = 0
    instances[55, 70] = 0
    instances[20:50, 40:60] = 1
    scores = np.full((2, 17), 0.9, np.float32)
    scores[1, 5:] = 0.1
    poses = Poses(np.full((2, 17, 2), 12.25, np.float32), scores, np.array([0.9, 0.5], np.float32))
    return Result((60, 80), (instances >= 0).view(np.uint8), instances=instances, poses=poses)


def test_annotations_are_what_pycocotools_takes() -> None:
    found = json.loads(json.dumps(two_people().to_coco(image_id=7)))
    first, second = found
    assert (first["image_id"], first["category_id"], second["score"]) == (7, 1, 0.5)
    # The speck is in the mask, and not in the box.
    assert first["area"] == coco_masks.area(first["segmentation"]) == 30 * 20 + 1
    assert first["bbox"] == [5, 10, 20, 30]
    assert second["bbox"] == coco_masks.toBbox(second["segmentation"]).tolist() == [40, 20, 20, 30]
    assert second["keypoints"] == [12.25, 12.25, 2] * 5 + [12.25, 12.25, 0] * 12
    assert (first["num_keypoints"], second["num_keypoints"]) == (17, 5)


def test_annotations_can_be_evaluated(capsys: pytest.CaptureFixture[str]) -> None:
    from pycocotools.coco import COCO

    truth = COCO()
    truth.dataset = {"images": [{"id": 7, "height": 60, "width": 80}], "annotations": [], "categories": [{"id": 1}]}
    truth.createIndex()
    loaded = truth.loadRes(two_people().to_coco(image_id=7))
    np.testing.assert_array_equal(loaded.annToMask(loaded.anns[2]), two_people()[1].mask)
    capsys.readouterr()


def test_without_instances_there_is_no_segmentation() -> None:
    (person,) = Result((60, 80), poses=two_people().poses.only(np.array([True, False]))).to_coco()
    assert "segmentation" not in person
    assert person["area"] == person["bbox"][2] * person["bbox"][3] == 4  # keypoints at 12.25: pixels 12 and 13
