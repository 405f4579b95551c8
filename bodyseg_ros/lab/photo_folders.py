"""What a run learns from: folders of photos, frames of videos, COCO's annotated photos."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from ..errors import MediaError
from ..media import open_source, read_photo, write_photo
from .annotations import Mask, Person, read_coco, union_mask

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}


@dataclass(frozen=True)
class Photo:
    """One picture to learn from. ``empty`` states that nobody is in it; ``mask`` is white where a person is.

    people: those annotated in it; None where nobody annotated it.
    """

    image: Path
    mask: Path | None = None
    people: tuple[Person, ...] | None = None
    empty: bool = False
    held_out: bool = False
    repeat: int = 1

    @property
    def labelled(self) -> bool:
        """Whether it is known where its people are, without a teacher."""
        return self.empty or self.mask is not None or self.people is not None

    def person(self, height: int, width: int) -> Mask | None:
        """The annotated mask of all its people, (H, W) bool; None where there is none."""
        if self.people is not None:
            return union_mask(self.people, height, width)
        return read_mask(self.mask) if self.mask is not None else None


class PhotoFolder(BaseModel):
    """A folder of photos, or a video."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    photos: Path = Field(description="Folder of photos, read with everything below it; or a video.")
    every: int = Field(30, ge=1, description="Of a video, take every n-th frame.")
    masks: Path | None = Field(None, description="Folder of masks: a photo's name with .png, 255 = person.")
    coco: Path | None = Field(
        None, description="COCO json of the photos' people: masks, and keypoints if there are any."
    )
    empty: bool = Field(False, description="Nobody is in these photos, whatever a teacher says.")
    repeat: int = Field(1, ge=1, description="How many times as often as others these photos are drawn.")

    def rooted(self, base: Path) -> PhotoFolder:
        """The same with relative paths taken from a folder."""
        paths = {"photos": self.photos, "masks": self.masks, "coco": self.coco}
        return self.model_copy(update={name: base / path for name, path in paths.items() if path})

    def read(self, held_out_share: float, cache: Path = Path("cache")) -> list[Photo]:
        """List the photos; a share of them is held out of training.

        Which photos the hash of their names says; of a video it is the end, since neighbours look alike. A video's
        frames are written to the cache.
        """
        if self.photos.is_file():
            frames = save_frames(self.photos, cache / f"{self.photos.stem}-{self.every}", self.every)
            first_held_out = round(len(frames) * (1 - held_out_share))
            held_out = frames[first_held_out:]
        else:
            frames = sorted(p for p in self.photos.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
            held_out = [path for path in frames if is_held_out(path, held_out_share)]
        if not frames:
            raise MediaError(f"{str(self.photos)!r} holds no photo ({', '.join(sorted(IMAGE_SUFFIXES))}).")
        left_out = set(held_out)
        photos = [Photo(p, self._mask(p), None, self.empty, p in left_out, self.repeat) for p in frames]
        return self._annotated(photos) if self.coco else photos

    def _mask(self, path: Path) -> Path | None:
        mask = self.masks / f"{path.stem}.png" if self.masks else None
        return mask if mask and mask.exists() else None

    def _annotated(self, photos: list[Photo]) -> list[Photo]:
        """The photos that the COCO json names, with their people."""
        assert self.coco is not None
        people = {self.photos / name: found for _, name, found in read_coco(self.coco)}
        named = [replace(photo, people=people[photo.image]) for photo in photos if photo.image in people]
        if not named:
            raise MediaError(f"{str(self.coco)!r} names no photo that is in {str(self.photos)!r}.")
        return named


def is_held_out(photo: Path, share: float) -> bool:
    """Whether a photo is among the share that a run validates on: by the hash of its name."""
    return int(hashlib.sha256(photo.stem.encode()).hexdigest()[:8], 16) / 2**32 < share


def read_mask(path: Path) -> npt.NDArray[np.bool_]:
    """Read a mask as (H, W) bool: true where its grey is above 127."""
    return np.greater(cv2.cvtColor(read_photo(path), cv2.COLOR_RGB2GRAY), 127)


def save_frames(video: Path, folder: Path, every: int) -> list[Path]:
    """Write every n-th frame of a video to a folder, unless it was done before; give the files in order."""
    done = folder / "frames"
    if not done.exists():
        with open_source(str(video)) as source:
            for index, frame in enumerate(source):
                if index % every == 0:
                    write_photo(folder / f"{video.stem}_{index:06d}.jpg", frame.image)
        done.touch()
    return sorted(folder.glob("*.jpg"))
