"""What the contact sheet of a covered recording shows, and says."""

from __future__ import annotations

import numpy as np

from bodyseg_ros.privacy.release_report import CameraReport, Sheet


def test_the_sheet_shows_frames_to_look_at_first_and_says_why() -> None:
    look_at = {"somebody was lost here": [(2, 2)], "a weak sign of a person is not covered": [(30, 34)]}
    report = CameraReport("front", 40, 0.5, 3, gaps=[(4, 6)], look_at=look_at)
    sheet = Sheet(report)
    for index in range(40):
        sheet.offer(index, np.full((48, 64, 3), index, np.uint8))
    captions = list(sheet.pictures)
    assert captions[:3] == ["2, lost: front", "5, gap filled: front", "30, weak sign: front"]
    assert captions[3:] == [f"{index}: front" for index in (0, 8, 16, 23, 31, 39)]
    assert [int(np.median(picture)) for picture in sheet.pictures.values()] == [2, 5, 30, 0, 8, 16, 23, 31, 39]
