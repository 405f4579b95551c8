"""How far this project's answers are from the reference implementation's, case by case.

    python benchmark/accuracy.py            # needs the reference data: $BODYSEG_SHARED, default ../shared

Photos go through our own run of the network (BodyPix 0.50, strides 16 and 8) and are compared with the stored masks,
parts and poses of the CPU reference, and with the browser's masks per person.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "test")]

import bodyseg_ros as bodyseg  # noqa: E402
from golden import Case, bodypix_cases, load_case, pose_arrays  # noqa: E402
from networks.test_bodypix_reference import OPTIONS  # noqa: E402

#: The old package's default, which the stored runs were made with.
SCORE_THRESHOLD = 0.4


def run(model: bodyseg.Model, case: Case) -> bodyseg.Result:
    options = {OPTIONS[key]: value for key, value in case.options.items() if key in OPTIONS}
    model.network = model.network.with_settings(
        model.network.Settings(**{"score_threshold": SCORE_THRESHOLD} | options)
    )
    return model.segment(case.image)


def row(case: Case, result: bodyseg.Result) -> tuple[float, float, float]:
    """(person pixels that differ, %; part pixels, %; largest keypoint distance, px)."""
    person = 100 * np.mean(result.person != case["segmentPerson"])
    parts = 100 * np.mean(result.parts != case["segmentPersonParts"])
    threshold = case.options.get("scoreThreshold", SCORE_THRESHOLD)
    points, _, _ = pose_arrays([pose for pose in case.poses["all"] if pose["score"] >= threshold])
    apart = np.linalg.norm(result.poses.keypoints - points, axis=2).max(initial=0.0)
    return float(person), float(parts), float(apart)


def overlaps(case: Case, result: bodyseg.Result) -> list[float]:
    """IoU of each person's mask with the browser's."""
    found: list[float] = []
    if "segmentMultiPerson" not in case:
        return found
    for index, mask in enumerate(case["segmentMultiPerson"]):
        ours = result.instances == index
        found.append(float(np.mean(ours & (mask > 0)) / np.mean(ours | (mask > 0))))
    return found


def main() -> None:
    shared = Path(os.environ.get("BODYSEG_SHARED", ROOT.parent / "shared"))
    folder = str(shared / "models/bodypix_050_tfjs")
    models = {stride: bodyseg.load(model_path=folder, output_stride=stride) for stride in (8, 16)}
    table = Table("case", "person differs %", "parts differ %", "keypoints, px", "IoU per person (browser)")
    worst = [0.0, 0.0, 0.0]
    for case in bodypix_cases(shared):
        result = run(models[case.stride], case)
        figures = row(case, result)
        worst = [max(pair) for pair in zip(worst, figures, strict=True)]
        browser = shared / "golden/bodypix_webgl" / f"{case.name}.json"
        people = overlaps(load_case(shared, browser), result) if browser.exists() else []
        table.add_row(case.name, *(f"{figure:.5f}" for figure in figures), " ".join(f"{one:.4f}" for one in people))
    table.add_section()
    table.add_row("worst", *(f"{figure:.5f}" for figure in worst))
    Console().print(table)


if __name__ == "__main__":
    main()
