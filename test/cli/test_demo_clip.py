"""The demo's clip, by the network that ships: two people cross and keep their ids."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
from skimage import data

import bodyseg_ros as bodyseg
from bodyseg_ros.cli.demo_clip import write_clip
from bodyseg_ros.media import read_photo


def test_two_people_keep_their_ids_where_they_cross(tmp_path: Path) -> None:
    with bodyseg.load("bodyseg-mobilenet-075") as model:
        written = write_clip(model, data.astronaut(), tmp_path)
    assert written is not None
    files, ids = written
    assert [path.name for path in files] == ["people.mp4", "people.png"]
    assert len(ids) == 24 and set().union(*ids) == {1, 2}  # nobody else was seen, and nobody got a new id
    assert ids[0] == ids[-1] == {1, 2}
    with av.open(str(files[0])) as clip:
        assert sum(1 for _ in clip.decode(video=0)) == 24
    assert read_photo(files[1]).std() > 10


def test_a_picture_of_nobody_gives_no_clip(tmp_path: Path) -> None:
    with bodyseg.load("bodyseg-mobilenet-075") as model:
        assert write_clip(model, np.full((240, 320, 3), 90, np.uint8), tmp_path) is None
    assert not list(tmp_path.iterdir())
