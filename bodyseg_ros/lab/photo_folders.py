"""A run's training data: folders of photos, frames of videos, COCO's annotated photos."""

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
    """One training image.

    empty: nobody is in it. mask: file, white where a person is. people: annotated people; None without annotations.
    """

    image: Path
    mask: Path | None = None
    people: tuple[Person, ...] | None = None
    empty: bool = False
    held_out: bool = False
    repeat: int = 1

    @property
    def labeled(self) -> bool:
        """Whether its people are known without a teacher."""
        return self.empty or self.mask is not None or self.people is not None

    def person(self, height: int, width: int) -> Mask | None:
        """Union of annotated masks, (H, W) bool; None without annotations. height, width: of the photo.

        Raises MediaError for a mask of another size.
        """
        if self.people is not None:
            return union_mask(self.people, height, width)
        if self.mask is None:
            return None
        mask = read_mask(self.mask)
        if mask.shape != (height, width):
            raise MediaError(
                f"The mask of {str(self.image)!r} is {mask.shape[1]}×{mask.shape[0]}, but the photo is "
                f"{width}×{height}."
            )
        return mask


class PhotoFolder(BaseModel):
    """A folder of photos, or a video."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    photos: Path = Field(description="Folder of photos, searched recursively; or a video.")
    every: int = Field(30, ge=1, description="For a video: take every n-th frame.")
    masks: Path | None = Field(None, description="Folder of masks: the photo's name with .png, 255 = person.")
    coco: Path | None = Field(
        None, description="COCO JSON of the photos' people: masks, and keypoints if there are any."
    )
    empty: bool = Field(False, description="Nobody is in these photos, whatever the teacher outputs.")
    repeat: int = Field(1, ge=1, description="Sampling weight relative to other folders.")

    def rooted(self, base: Path) -> PhotoFolder:
        """Resolve relative paths against a folder."""
        paths = {"photos": self.photos, "masks": self.masks, "coco": self.coco}
        return self.model_copy(update={name: base / path for name, path in paths.items() if path})

    def read(self, held_out_share: float, cache: Path = Path("cache")) -> list[Photo]:
        """List the photos, with a share held out of training.

        Photos are held out by a hash of their names; of a video the end is held out, since neighboring frames look
        alike. A video's frames are written to the cache.
        """
        if self.photos.is_file():
            frames = save_frames(self.photos, cache / f"{self.photos.stem}-{self.every}", self.every)
            first_held_out = round(len(frames) * (1 - held_out_share))
            held_out = frames[first_held_out:]
        else:
            frames = sorted(p for p in self.photos.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
            held_out = [path for path in frames if is_held_out(path, held_out_share)]
        if not frames:
            raise MediaError(f"{str(self.photos)!r} has no photos ({', '.join(sorted(IMAGE_SUFFIXES))}).")
        left_out = set(held_out)
        photos = [Photo(p, self._mask(p), None, self.empty, p in left_out, self.repeat) for p in frames]
        return self._annotated(photos) if self.coco else photos

    def _mask(self, path: Path) -> Path | None:
        mask = self.masks / f"{path.stem}.png" if self.masks else None
        return mask if mask and mask.exists() else None

    def _annotated(self, photos: list[Photo]) -> list[Photo]:
        """Photos named in the COCO JSON, with their people."""
        assert self.coco is not None
        people = {self.photos / name: found for _, name, found in read_coco(self.coco)}
        named = [replace(photo, people=people[photo.image]) for photo in photos if photo.image in people]
        if not named:
            raise MediaError(f"{str(self.coco)!r} lists no photo in {str(self.photos)!r}.")
        return named


def is_held_out(photo: Path, share: float) -> bool:
    """Whether a photo belongs to the share held out for validation, by a hash of its name."""
    return int(hashlib.sha256(photo.stem.encode()).hexdigest()[:8], 16) / 2**32 < share


def read_mask(path: Path) -> npt.NDArray[np.bool_]:
    """Read a mask as (H, W) bool: true above 127."""
    return np.greater(cv2.cvtColor(read_photo(path), cv2.COLOR_RGB2GRAY), 127)


def save_frames(video: Path, folder: Path, every: int) -> list[Path]:
    """Write every n-th frame of a video to a folder, unless already done; return the files in order."""
    done = folder / "frames"
    if not done.exists():
        with open_source(str(video)) as source:
            for index, frame in enumerate(source):
                if index % every == 0:
                    write_photo(folder / f"{video.stem}_{index:06d}.jpg", frame.image)
        done.touch()
    return sorted(folder.glob("*.jpg"))
