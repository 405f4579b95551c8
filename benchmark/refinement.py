"""A photo cut out by the network's mask and by the refined one, side by side: the picture of docs/refinement.md.

python benchmark/refinement.py                       docs/refinement.jpg, of matplotlib's sample portrait
python benchmark/refinement.py PHOTO --out FILE
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib.cbook import get_sample_data

import bodyseg_ros as bodyseg
from bodyseg_ros.media import read_photo, write_photo

GREEN = (0, 150, 90)


def cut_out(photo: np.ndarray, **refine: float) -> np.ndarray:
    """The people of a photo (H, W, 3) on green."""
    with bodyseg.load(refine=refine) as model:
        person = model.segment(photo).person
    assert person is not None
    return np.where(person[..., None] == 1, photo, np.uint8(GREEN))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photo", type=Path, nargs="?", default=get_sample_data("grace_hopper.jpg", asfileobj=False))
    parser.add_argument("--out", type=Path, default=Path("docs/refinement.jpg"))
    options = parser.parse_args()
    photo = read_photo(Path(options.photo))
    write_photo(options.out, np.concatenate([cut_out(photo), cut_out(photo, guided_radius_px=12)], axis=1))


if __name__ == "__main__":
    main()
