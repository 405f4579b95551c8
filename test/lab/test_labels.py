"""Photos, annotations and labels, and the frames that are made of them."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from bodyseg_ros.body import KEYPOINT_NAMES, PART_NAMES
from bodyseg_ros.errors import MediaError, SettingsError
from bodyseg_ros.lab import annotations, labels, teacher
from bodyseg_ros.lab import frames as data
from bodyseg_ros.lab import photo_folders as photos
from bodyseg_ros.lab import train_config as config
from bodyseg_ros.networks.heads import HEAD_CHANNELS
from lab.drawn import HEIGHT, WIDTH, drawn, drawn_sample, values, write_run

HEAT = labels.LABEL_SLICES["heatmaps"].start
SHORT = labels.LABEL_SLICES["short_offsets"].start
LONG = labels.LABEL_SLICES["long_offsets"].start
SAMPLES = [drawn_sample(seed) for seed in range(3)]


def test_frames_depend_on_seed_and_step_alone() -> None:
    frames = [data.Frames(SAMPLES, data.Augmentation(), seed) for seed in (1, 1, 2)]
    (first, first_labels), (same, same_labels), (other, _) = (f.batch(3, 2, 65) for f in frames)
    np.testing.assert_array_equal(first, same)
    np.testing.assert_array_equal(first_labels, same_labels)
    assert (first != other).any()


@pytest.mark.parametrize(
    ("names", "order"), [(KEYPOINT_NAMES, labels.MIRRORED_KEYPOINTS), (PART_NAMES, labels.MIRRORED_PARTS)]
)
def test_a_mirror_makes_left_of_right(names: tuple[str, ...], order: list[int]) -> None:
    sides = {"left": "right", "right": "left"}
    swapped = ["_".join(sides.get(word, word) for word in name.split("_")) for name in names]
    assert [names[index] for index in order] == swapped


@pytest.mark.parametrize("mirrored", [False, True])
def test_labels_move_with_the_picture(mirrored: bool) -> None:
    """A keypoint's position plus its offset is where the matrix takes the keypoint."""
    sample = SAMPLES[0]
    linear = np.array([[-1.5 if mirrored else 1.5, 0.2], [-0.1, 1.3]])
    matrix = np.hstack([linear, [[150 if mirrored else 5], [3]]]).astype(np.float32)
    moved = data.warp_labels(sample, matrix, 129, 16, mirrored)
    ys, xs = np.nonzero(sample.mask)
    target = matrix @ np.array([xs.min() + 17, ys.min() + 8, 1])
    at = np.argwhere(moved[..., HEAT] > 0.5)
    assert len(at)
    for row, column in at:
        found = (column * 16 + moved[row, column, SHORT + 17], row * 16 + moved[row, column, SHORT])
        np.testing.assert_allclose(found, target, atol=1.0)


def test_mirroring_twice_is_nothing() -> None:
    assert (labels.MIRROR_ORDER[labels.MIRROR_ORDER] == np.arange(labels.LABEL_CHANNELS)).all()


def test_annotations_are_mixed_with_the_teachers_labels() -> None:
    _, mask, keypoints = drawn(0)
    before = np.full((13, 11, labels.LABEL_CHANNELS), 0.25, np.float32)
    mixed = annotations.annotate(before, [annotations.Person(lambda: mask, keypoints)], HEIGHT, WIDTH)
    y, x = (np.argwhere(mask).mean(axis=0) / 8).round().astype(int)
    assert mixed[y, x, 0] == 1  # the person is the annotator's …
    assert mixed[0, 0, 0] == 0
    parts = labels.LABEL_SLICES["part_heatmaps"]
    assert (mixed[..., parts] == 0.25).all()  # … parts stay the teacher's …
    assert mixed[y, x, HEAT] in (0, 1)
    assert mixed[0, 10, HEAT] == 0.25  # … and so do keypoints where no annotated person is
    assert mixed[y, x, LONG + 3] == 0.25  # an ear that nobody marked
    np.testing.assert_allclose(mixed[y, x, LONG], keypoints[0, 1] - 8 * y, atol=1e-4)


def coco(folder: Path, **changes: object) -> Path:
    """One photo with one person, a polygon with all keypoints at (20, 10), and a crowd that does not count."""
    (folder / "images").mkdir()
    cv2.imwrite(str(folder / "images/1.png"), np.zeros((40, 60, 3), np.uint8))
    person = {"image_id": 1, "category_id": 1, "iscrowd": 0, "id": 1, "area": 200, "bbox": [10, 5, 20, 10]}
    person |= {"segmentation": [[10, 5, 30, 5, 30, 15, 10, 15]], "keypoints": [20, 10, 2] * 17, "num_keypoints": 17}
    crowd = {
        "image_id": 1,
        "category_id": 1,
        "iscrowd": 1,
        "id": 2,
        "segmentation": {"size": [40, 60], "counts": [2400]},
    }
    content = {"images": [{"id": 1, "file_name": "1.png", "height": 40, "width": 60}], "annotations": [person, crowd]}
    path = folder / "people.json"
    path.write_text(json.dumps(content | changes))
    return path


def test_coco_people_are_photos_to_learn_from(tmp_path: Path) -> None:
    pytest.importorskip("pycocotools", reason="COCO's masks need pycocotools")
    folder = photos.PhotoFolder(photos=Path("images"), coco=coco(tmp_path)).rooted(tmp_path)
    (photo,) = folder.read(0)
    mask = photo.person(40, 60)
    assert mask is not None
    assert mask[5:15, 10:30].all()
    assert mask.sum() == 200
    found = teacher.photo_labels(None, photo, [97])
    assert found[..., 0].max() == 1
    assert found[..., HEAT : HEAT + 17].max() == 1
    with pytest.raises(MediaError, match="no photo"):
        photos.PhotoFolder(photos=tmp_path, coco=tmp_path / "people.json").read(0)
    (tmp_path / "people.json").write_text('{"annotations": [{}], "images": []}')
    with pytest.raises(MediaError, match="COCO.*JSON"):
        folder.read(0)


def test_videos_are_photos_to_learn_from(tmp_path: Path) -> None:
    pytest.importorskip("av", reason="videos need PyAV")
    from fractions import Fraction

    from bodyseg_ros.media import open_sink
    from bodyseg_ros.types import Frame

    with open_sink(tmp_path / "lab.mp4", Fraction(10)) as sink:
        for gray in range(0, 250, 25):
            image = np.full((48, 64, 3), gray, np.uint8)
            sink(image, Frame(image, stamp_ns=gray * 4_000_000))
    folder = photos.PhotoFolder(photos=tmp_path / "lab.mp4", every=3)
    first = folder.read(0.25, tmp_path / "cache")
    assert [photo.image.name for photo in first] == [f"lab_{index:06d}.jpg" for index in (0, 3, 6, 9)]
    assert [photo.held_out for photo in first] == [False, False, False, True]
    written = first[0].image.stat().st_mtime_ns
    assert folder.read(0.25, tmp_path / "cache")[0].image.stat().st_mtime_ns == written


def test_photos_without_any_label_need_a_teacher(tmp_path: Path) -> None:
    path = write_run(tmp_path)
    content = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(content | {"folders": [{"photos": "photos"}]}))
    settings = config.read_settings(path)
    with pytest.raises(SettingsError, match="labels for .*0.png"):
        teacher.label_all(settings, settings.folders[0].read(0))


def test_a_teacher_labels_photos_and_masks_limit_it(tmp_path: Path, shared: Path) -> None:
    image = shared / "media/photos/portrait.jpg"
    settings = config.TrainSettings.model_validate(
        values(teacher=str(shared / "models/bodypix_050_tfjs"), teacher_stride=16, teacher_long_sides=[161])
        | {"cache": tmp_path / "cache"}
    )
    (tmp_path / "photos").mkdir()
    picture = cv2.resize(cv2.imread(str(image)), (160, 200))
    cv2.imwrite(str(tmp_path / "photos/a.png"), picture)
    half = np.zeros((200, 160), np.uint8)
    half[:, :80] = 255
    cv2.imwrite(str(tmp_path / "a.png"), half)
    photo, masked = photos.Photo(tmp_path / "photos/a.png"), photos.Photo(tmp_path / "photos/a.png", tmp_path / "a.png")
    with teacher.open_heads(settings.teacher, 16) as run:
        free, limited = (teacher.photo_labels(run, one, [161]) for one in (photo, masked))
    assert free[..., 0].max() > 0.95
    assert limited[:, -2:, 0].max() == 0
    np.testing.assert_array_equal(free[..., 1:], limited[..., 1:])
    assert teacher.label_all(settings, [photo])
    other = settings.model_copy(update={"teacher_long_sides": [97]})
    with pytest.raises(SettingsError, match="labels.*another cache"):
        teacher.label_all(other, [photo])


def test_the_person_is_the_mean_over_sizes_and_parts_are_those_of_the_first() -> None:
    def answer(picture: teacher.Array) -> dict[str, teacher.Array]:
        height, width = ((side - 1) // 8 + 1 for side in picture.shape[1:3])
        logit = 0.0 if picture.shape[2] > 100 else 2.0
        return {name: np.full((height, width, count), logit, np.float32) for name, count in HEAD_CHANNELS.items()}

    image = np.zeros((80, 160, 3), np.uint8)
    first, both = (teacher.soft_labels(answer, image, sizes) for sizes in ([161], [161, 81]))
    np.testing.assert_array_equal(both[..., 1:], first[..., 1:])
    np.testing.assert_allclose(first[..., 0], 0.5)
    np.testing.assert_allclose(both[..., 0], (0.5 + 1 / (1 + np.exp(-2.0))) / 2, rtol=1e-6)


def test_mistakes_in_a_configuration_are_named(tmp_path: Path) -> None:
    path = tmp_path / "train.yaml"
    with pytest.raises(SettingsError, match="none.yaml' cannot be read"):
        config.read_settings(tmp_path / "none.yaml")
    path.write_text("stages: [{steps: 0, size: 160}]\nfoldrs: []")
    with pytest.raises(SettingsError) as caught:
        config.read_settings(path)
    for words in ("folders is missing", "stages.0.steps is 0", "a multiple of 16 plus 1, such as 161", "foldrs is no"):
        assert words in str(caught.value)
    with pytest.raises(MediaError, match="has no photos"):
        photos.PhotoFolder(photos=tmp_path / "none").read(0)
    settings = config.TrainSettings.model_validate(values())
    assert [settings.at(step)[1] for step in (0, 1, 11)] == pytest.approx([2e-3, 3.75e-3, 1.25e-3])
    with pytest.raises(SettingsError, match="step 12.*12 steps"):
        settings.at(12)


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    settings = config.read_settings(write_run(tmp_path))
    cv2.imwrite(str(tmp_path / "masks/0.png"), np.zeros((5, 7), np.uint8))
    with pytest.raises(MediaError, match=r"mask of .*0.png' is 7×5.*81×97"):
        teacher.label_all(settings, settings.folders[0].read(0))
