"""The report of a covered recording: a JSON file, and a contact sheet with doubtful frames first."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from .. import __version__
from ..effects import contact_sheet
from ..media import write_photo
from ..plan import Plan
from .filling import Covers
from .mask_store import Sightings
from .privacy_settings import RecordingSettings

__all__ = [
    "CameraReport",
    "Sheet",
    "camera_report",
    "describe_plan",
    "hash_tree",
    "is_finished",
    "outputs_beside",
    "write_report",
]

#: Images of one camera on the sheet: doubtful ones, and others at equal intervals.
_DOUBTFUL, _OTHERS = 12, 6
_TILE_PX: Final = 240
#: Why a human should look at a frame; and the same on the sheet.
_LOST, _APPEARED = "somebody was lost here", "somebody appeared here"
_WEAK: Final = "a weak sign of a person is not covered"
_IN_SHORT: Final = {_LOST: "lost", _APPEARED: "appeared", _WEAK: "weak sign"}
#: Parameters that change no pixel, and the place of files whose content is told.
_NO_MATTER: Final = {"threads", "try_model_files", "model_path"}


@dataclass
class CameraReport:
    """One camera of a recording.

    blanked: reason → ranges of frames. covered_share: mean share of an image. only_by_time: frames without detections
    in which somebody is covered. gaps: ranges of frames with a covered path. look_at: reason → ranges of frames that a
    human should check. Frames count from 0.
    """

    name: str
    frames: int
    covered_share: float
    only_by_time: int
    gaps: list[tuple[int, int]] = field(default_factory=list)
    blanked: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    look_at: dict[str, list[tuple[int, int]]] = field(default_factory=dict)


def camera_report(name: str, seen: Sightings, covers: Covers) -> CameraReport:
    """The report of a camera after the first pass."""
    blanked: dict[str, list[int]] = {}
    for index, reason in seen.reasons.items():
        blanked.setdefault(reason, []).append(index)
    judged = [share for index, share in enumerate(covers.shares) if index not in seen.reasons]
    look_at = {_LOST: covers.lost, _APPEARED: covers.appeared, _WEAK: covers.doubtful}
    return CameraReport(
        name,
        len(seen),
        round(float(np.mean(judged)), 4) if judged else 0.0,
        covers.only_by_time,
        [(gap.first, gap.last) for gap in covers.gaps],
        {reason: _ranges(frames) for reason, frames in blanked.items()},
        {why: _ranges(frames) for why, frames in look_at.items() if frames},
    )


def _ranges(frames: Iterable[int]) -> list[tuple[int, int]]:
    """[3, 4, 5, 9] → [(3, 5), (9, 9)]."""
    found: list[tuple[int, int]] = []
    for frame in sorted(set(frames)):
        if found and frame == found[-1][1] + 1:
            found[-1] = found[-1][0], frame
        else:
            found.append((frame, frame))
    return found


class Sheet:
    """Selects a few covered images of one camera and keeps them reduced."""

    def __init__(self, report: CameraReport) -> None:
        why = {(first + last) // 2: "gap filled" for first, last in report.gaps}
        why |= {first: _IN_SHORT[reason] for reason, ranges in report.look_at.items() for first, _ in ranges}
        self._name = report.name
        self._marked = {index: why[index] for index in _some(sorted(why), _DOUBTFUL)}
        self._chosen = self._marked.keys() | set(_some(range(report.frames), _OTHERS))
        self._tiles: dict[int, NDArray[np.uint8]] = {}

    def offer(self, index: int, image: NDArray[np.uint8]) -> None:
        """Add a covered image, (H, W, 3) uint8 RGB or (H, W) gray."""
        if index in self._chosen:
            size = _TILE_PX, max(1, round(_TILE_PX * image.shape[0] / image.shape[1]))
            self._tiles[index] = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)

    @property
    def pictures(self) -> dict[str, NDArray[np.uint8]]:
        """Caption → image; frames to check first, with the reason."""
        order = sorted(self._tiles, key=lambda index: (index not in self._marked, index))
        reasons = {index: f", {self._marked[index]}" if index in self._marked else "" for index in order}
        return {f"{index}{reasons[index]}: {self._name}": self._tiles[index] for index in order}


def _some(numbers: Sequence[int], most: int) -> list[int]:
    """At most this many, at equal intervals."""
    if len(numbers) <= most:
        return list(numbers)
    return [numbers[round(place * (len(numbers) - 1) / (most - 1))] for place in range(most)]


def describe_plan(
    plan: Plan[RecordingSettings], model: str, effects: Sequence[str], options: Mapping[str, Any]
) -> dict[str, Any]:
    """Everything that decides about the output: model, version and parameters. options: other choices of the user."""
    parameters: dict[str, Any] = {}
    for part in (plan.model, plan.network, plan.own):
        parameters |= part.model_dump(mode="json", exclude=_NO_MATTER)
    for group, settings in {"refine": plan.refine, **plan.engines, **plan.effects}.items():
        parameters |= {f"{group}.{name}": value for name, value in settings.model_dump(mode="json").items()}
    return {
        "bodyseg_ros": __version__,
        "model": model,
        "sha256_model": _hash_model(plan),
        "effects": list(effects) or ["cover"],
        "options": dict(options),
        "parameters": parameters,
    }


def _hash_model(plan: Plan[RecordingSettings]) -> str:
    """SHA-256 of the checksums of the model's files: the card's, and those of the user's own files."""
    path = Path(plan.model.model_path)
    own = hash_tree(path) if plan.model.model_path and path.exists() else {}
    return hashlib.sha256(json.dumps([plan.card.sha256, own], sort_keys=True).encode()).hexdigest()


def _hash(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def hash_tree(path: Path) -> dict[str, str]:
    """SHA-256 of a file, or of every file in a folder by relative name."""
    if path.is_file():
        return {path.name: _hash(path)}
    return {str(file.relative_to(path)): _hash(file) for file in sorted(path.rglob("*")) if file.is_file()}


def outputs_beside(target: Path) -> tuple[Path, Path]:
    """Names of the JSON file and the sheet of an output."""
    return target.with_name(f"{target.name}.report.json"), target.with_name(f"{target.name}.sheet.png")


def is_finished(
    source: Path, target: Path, plan: Plan[RecordingSettings], effects: Sequence[str], options: Mapping[str, Any]
) -> bool:
    """Whether a target and its report are there, made from this source by these choices, and unchanged since."""
    try:
        report = json.loads(outputs_beside(target)[0].read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    if not isinstance(report, dict) or not source.exists() or not target.exists():
        return False
    wanted = describe_plan(plan, str(report.get("model")), effects, options)
    if any(report.get(key) != value for key, value in wanted.items()):
        return False
    return report.get("sha256_in") == hash_tree(source) and report.get("sha256_out") == hash_tree(target)


def write_report(path: Path, content: Mapping[str, Any], sheets: Sequence[Sheet], sheet_path: Path) -> None:
    """Write the JSON file and, if there are images, the sheet."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False, default=vars) + "\n", encoding="utf-8")
    pictures = {caption: picture for sheet in sheets for caption, picture in sheet.pictures.items()}
    if pictures:
        write_photo(sheet_path, contact_sheet(pictures, columns=6, tile_width_px=_TILE_PX))
