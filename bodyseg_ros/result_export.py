"""Export results: images, plain JSON types, files, and supervision's types."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .body import KEYPOINT_NAMES, PART_NAMES
from .dependencies import missing_package
from .effects import compose_all, load_effects
from .errors import MediaError, ResultError
from .media import ImageLike, frame_of, write_photo
from .person import Person
from .types import Result

if TYPE_CHECKING:
    import supervision

__all__ = ["as_dict", "keypoints_as_dicts", "picture", "save", "supervision_detections", "supervision_keypoints"]

_PICTURES = (".png", ".jpg", ".jpeg")
_MAPS = ("person", "confidence", "parts", "instances", "classes")


def picture(result: Result, image: ImageLike | None) -> NDArray[np.uint8]:
    """See `Result.plot`."""
    frame = result.frame if image is None else frame_of(image)
    if frame is None:
        raise ResultError("This result has no image, because it is not from Model.segment: call plot(image).")
    names = [] if result.person is None else ["overlay"]
    names += [] if result.poses is None else ["skeleton"]
    return compose_all(load_effects("effects", names, {}), frame, result).copy()


def as_dict(result: Result) -> dict[str, Any]:
    """See `Result.to_dict`."""
    frame, person = result.frame, result.person
    return {
        "height": result.size[0],
        "width": result.size[1],
        "mirrored": result.mirrored,
        "frame": frame and {"index": frame.index, "stamp_ns": frame.stamp_ns, "frame_id": frame.frame_id},
        "person_share": None if person is None else round(float(np.count_nonzero(person) / person.size), 4),
        "people": None if result.poses is None else [_person_as_dict(person) for person in result],
    }


def _person_as_dict(person: Person) -> dict[str, Any]:
    has_mask = person.instance_map is not None
    has_parts = has_mask and person.part_map is not None
    return {
        "index": person.index,
        "id": person.id,
        "state": None if person.state is None else person.state.name,
        "score": round(person.score, 4),
        "box": list(person.box),
        "area_px": int(np.count_nonzero(person.mask)) if has_mask else None,
        "polygon": [outline.tolist() for outline in person.polygon] if has_mask else None,
        "parts": [PART_NAMES[part] for part in np.unique(person.parts) if part >= 0] if has_parts else None,
        "keypoints": keypoints_as_dicts(person),
    }


def keypoints_as_dicts(person: Person) -> list[dict[str, Any]]:
    """A person's 17 keypoints as {"name", "x", "y", "score"}: px to 0.01, scores to 0.0001."""
    return [
        {"name": name, "x": round(float(x), 2), "y": round(float(y), 2), "score": round(float(score), 4)}
        for name, (x, y), score in zip(KEYPOINT_NAMES, person.keypoints, person.keypoint_scores, strict=True)
    ]


def save(result: Result, path: Path) -> None:
    """See `Result.save`."""
    suffix = path.suffix.lower()
    if suffix in _PICTURES:
        write_photo(path, picture(result, None))
    elif suffix == ".json":
        text = json.dumps(as_dict(result), indent=1)
        _write(path, lambda part: part.write_text(text + "\n", encoding="utf-8"))
    elif suffix == ".npz":
        arrays = _arrays(result)
        _write(path, lambda part: np.savez_compressed(part, **arrays))
    else:
        raise ResultError(
            f"The file {str(path)!r} must end in .png or .jpg (the image with masks and skeletons), .json (people) "
            f"or .npz (the arrays), not {path.suffix!r}."
        )


def _arrays(result: Result) -> dict[str, Any]:
    maps = {name: getattr(result, name) for name in _MAPS if getattr(result, name) is not None}
    poses = result.poses
    if poses is None:
        return maps
    return maps | {"keypoints": poses.keypoints, "keypoint_scores": poses.keypoint_scores, "scores": poses.scores}


def _write(path: Path, write: Callable[[Path], Any]) -> None:
    """Write a file atomically."""
    part = path.with_name(f".{os.getpid()}.{path.name}")  # keeps the suffix: np.savez appends one to other names
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(part)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as err:
        raise MediaError(f"The file {str(path)!r} cannot be written: {err.strerror or err}.") from err


def _supervision() -> Any:
    try:
        import supervision
    except ImportError as err:
        raise missing_package("to_supervision()", err, "supervision") from err
    return supervision


def supervision_detections(result: Result) -> supervision.Detections:
    """See `Result.to_supervision`."""
    people, masks = list(result), None
    if result.instances is not None:
        masks = np.array([person.mask for person in people], bool).reshape(-1, *result.size)
    found: supervision.Detections = _supervision().Detections(
        xyxy=np.array([person.box for person in people], np.float32).reshape(-1, 4),
        mask=masks,
        confidence=np.array([person.score for person in people], np.float32),
        class_id=np.zeros(len(people), int),
        tracker_id=None if result.tracks is None else np.array(result.tracks.ids, int),
        data={"class_name": np.array(["person"] * len(people), dtype=str)},
    )
    return found


def supervision_keypoints(result: Result) -> supervision.KeyPoints:
    """See `Result.to_supervision_keypoints`."""
    people = list(result)
    # The third argument is called confidence before 0.29 and keypoint_confidence since.
    found: supervision.KeyPoints = _supervision().KeyPoints(
        np.array([person.keypoints for person in people], np.float32).reshape(-1, len(KEYPOINT_NAMES), 2),
        np.zeros(len(people), int),
        np.array([person.keypoint_scores for person in people], np.float32).reshape(-1, len(KEYPOINT_NAMES)),
        data={"class_name": np.array(["person"] * len(people), dtype=str)},
    )
    return found
