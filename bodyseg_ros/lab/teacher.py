"""Soft labels for every head from a trained network, computed once and cached.

Labels are the teacher's probabilities, not its decisions. Offsets are in photo pixels, so that they can be transformed
with the photo.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from ..decode import sigmoid
from ..errors import SettingsError
from ..geometry import Geometry
from ..media import read_photo
from ..model import load
from ..networks.heads import named_heads
from .annotations import Mask, annotate
from .labels import LABEL_CHANNELS, LABEL_HEADS, SCORES, Array, sample_grid, transform_offsets
from .photo_folders import Photo
from .train_config import TrainSettings

Teacher = Callable[[Array], Mapping[str, Array]]
"""(1, H, W, 3) float32, RGB 0 to 255 → tensors (h, w, c) by head."""


@contextmanager
def open_heads(model: str, stride: int) -> Iterator[Teacher]:
    """A BodyPix model on any installed engine, by card name or file path, as a function of an image."""
    source = {"model_path": model} if "/" in model else {"model": model}
    with load(**source, network="bodypix", output_stride=stride) as pipeline:
        facts = pipeline.network.card.preprocessing
        scale, offset = np.asarray(facts.scale, np.float32), np.asarray(facts.offset, np.float32)

        def teach(picture: Array) -> Mapping[str, Array]:
            height, width = picture.shape[1:3]
            outputs = pipeline.engine.run(picture * scale + offset)
            return named_heads(outputs, LABEL_HEADS, Geometry(height, width, height, width), stride)

        yield teach


def network_size(height: int, width: int, long_side: int) -> tuple[int, int]:
    """Size of the network's input: multiples of 16 plus 1, with the longer side nearest to long_side."""
    scale = (long_side - 1) / max(height, width)
    return max(2, round(height * scale / 16)) * 16 + 1, max(2, round(width * scale / 16)) * 16 + 1


def predict(teacher: Teacher, image: npt.NDArray[np.uint8], long_side: int) -> Array:
    """Label a photo at one scale: (H, W, 3) uint8 RGB → (h, w, 174) float32, offsets in photo px."""
    height, width = image.shape[:2]
    net_h, net_w = network_size(height, width, long_side)
    picture = cv2.resize(image, (net_w, net_h), interpolation=cv2.INTER_LINEAR)
    outputs = teacher(picture[None].astype(np.float32))
    labels = np.concatenate([outputs[head] for head in LABEL_HEADS], axis=-1)
    labels[..., SCORES] = sigmoid(labels[..., SCORES])
    transform_offsets(labels, np.diag([(width - 1) / (net_w - 1), (height - 1) / (net_h - 1)]).astype(np.float32))
    return labels


def soft_labels(teacher: Teacher, image: npt.NDArray[np.uint8], long_sides: Sequence[int]) -> Array:
    """Label a photo on the grid of its first size; the person is the mean over all sizes.

    Parts and poses come from the first size alone: averaged over sizes they blur where sizes disagree.
    """
    labels = predict(teacher, image, long_sides[0])
    smaller = [predict(teacher, image, long_side)[..., :1] for long_side in long_sides[1:]]
    people = [labels[..., :1], *(sample_grid(person, *labels.shape[:2]) for person in smaller)]
    labels[..., :1] = np.mean(people, axis=0)
    return labels


def limit_to_mask(labels: Array, mask: Mask) -> Array:
    """Mix an annotated person mask, (H, W) bool, into the labels.

    The person becomes the geometric mean of mask and teacher: 0 outside the mask, higher than the teacher's score
    inside, and low where only the annotator saw a person (bags, held objects).
    """
    h, w = labels.shape[:2]
    size = 2 * (max(1, mask.shape[0] // h // 2)) + 1
    smooth = np.asarray(cv2.blur(mask.astype(np.float32), (size, size)), np.float32)[..., None]
    mixed = labels.copy()
    mixed[..., :1] = np.sqrt(labels[..., :1] * sample_grid(smooth, h, w))
    return mixed


def photo_labels(teacher: Teacher | None, photo: Photo, long_sides: Sequence[int]) -> Array:
    """Label one photo, (h, w, 174): annotations first, the teacher for the rest."""
    image = read_photo(photo.image)
    height, width = image.shape[:2]
    h, w = network_size(height, width, long_sides[0])
    labels = np.zeros(((h - 1) // 8 + 1, (w - 1) // 8 + 1, LABEL_CHANNELS), np.float32)
    if photo.empty:
        return labels
    mask = photo.person(height, width)
    if teacher is not None:
        labels = soft_labels(teacher, image, long_sides)
    if photo.people is not None:
        return annotate(labels, photo.people, height, width)
    if mask is None:
        return labels
    if teacher is not None:
        return limit_to_mask(labels, mask)
    labels[..., :1] = sample_grid(mask[..., None].astype(np.float32), *labels.shape[:2])
    return labels


def label_path(cache: Path, photo: Photo) -> Path:
    """Path of a photo's labels, independent of how the configuration writes the photo's path."""
    return cache / f"{hashlib.sha256(str(photo.image.resolve()).encode()).hexdigest()[:24]}.npy"


def label_all(
    settings: TrainSettings,
    photos: Sequence[Photo],
    report: Callable[[int, int], None] = lambda done, total: None,
    stop: Callable[[], bool] = lambda: False,
) -> bool:
    """Write the labels of every photo to the cache, float16, keeping existing ones. Returns whether it is complete.

    report(done, total) is called after each photo; stop() returning true ends the work. Raises SettingsError for a
    photo without annotations and teacher, and for a cache with another teacher's labels.
    """
    missing = [photo for photo in photos if not label_path(settings.cache, photo).exists()]
    unknown = [photo for photo in missing if not photo.labeled]
    if unknown and not settings.teacher:
        raise SettingsError(
            f"There are no labels for {str(unknown[0].image)!r}: set masks, coco or empty: true for its folder, "
            "or set a teacher."
        )
    _check_cache(settings)
    if not missing:
        return True
    if not settings.teacher:
        return _label_each(None, missing, settings, report, stop)
    with open_heads(settings.teacher, settings.teacher_stride) as teacher:
        return _label_each(teacher, missing, settings, report, stop)


def _label_each(
    teacher: Teacher | None,
    photos: Sequence[Photo],
    settings: TrainSettings,
    report: Callable[[int, int], None],
    stop: Callable[[], bool],
) -> bool:
    for done, photo in enumerate(photos, 1):
        labels = photo_labels(teacher, photo, settings.teacher_long_sides)
        path = label_path(settings.cache, photo)
        partial = path.with_suffix(".part.npy")
        np.save(partial, labels.astype(np.float16))
        partial.replace(path)
        report(done, len(photos))
        if stop():
            return False
    return True


def _check_cache(settings: TrainSettings) -> None:
    """Refuse labels made by another teacher, or at other sizes."""
    note = settings.cache / "teacher.json"
    ours = {"teacher": settings.teacher, "stride": settings.teacher_stride, "sizes": settings.teacher_long_sides}
    if note.exists() and json.loads(note.read_text()) != ours:
        raise SettingsError(
            f"The cache {str(settings.cache)!r} has labels of {note.read_text()}, not of {json.dumps(ours)}: "
            "delete it, or set another cache."
        )
    settings.cache.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps(ours))
