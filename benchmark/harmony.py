"""How well people are matched to their background: PSNR and ΔE on photos whose people were recolored.

python benchmark/harmony.py PHOTOS [MASKS] [--held-out SHARE] [--network FILE]

PHOTOS: a folder of photos of people; MASKS: PNGs of their names, white where a person is; without, the shipped network
finds them. --held-out: only the photos that a run with this `held_out` has not learned from.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from bodyseg_ros.cli.train_harmony import scores_table
from bodyseg_ros.effects import load_effects
from bodyseg_ros.lab.harmony_composites import Image, Tints
from bodyseg_ros.lab.harmony_config import HarmonySettings
from bodyseg_ros.lab.harmony_people import read_people
from bodyseg_ros.lab.harmony_scores import Recolor, score
from bodyseg_ros.lab.photo_folders import PhotoFolder
from bodyseg_ros.plan import plugin_settings
from bodyseg_ros.types import Frame, Result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("masks", type=Path, nargs="?")
    parser.add_argument("--held-out", type=float, default=0.1)
    parser.add_argument("--network", default="", help="File for harmonize.model_path; default: the shipped one.")
    given = parser.parse_args()
    folder = PhotoFolder(photos=given.photos, masks=given.masks)
    people = read_people(
        HarmonySettings(folders=[folder], held_out=given.held_out), lambda *_: None, held_out_only=True
    ).held_out
    print(scores_table({
        name: score(effect(name, settings), people, Tints())
        for name, settings in (
            ("harmonize", {"model_path": given.network}),
            ("color_transfer", {}),
            ("color_transfer, strength: 1", {"strength": 1.0}),
        )
    }))  # fmt: skip


def effect(name: str, settings: dict[str, object]) -> Recolor:
    name = name.partition(",")[0]
    (made,) = load_effects("effects", (name,), plugin_settings("effects", {name: settings}))

    def recolor(image: Image, mask: Image) -> Image:
        return made.compose(Frame(image), Result(image.shape[:2], person=np.ascontiguousarray(mask)))

    return recolor


if __name__ == "__main__":
    main()
