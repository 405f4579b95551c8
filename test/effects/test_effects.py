from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bodyseg_ros.body import PART_COLORS
from bodyseg_ros.effects import colored_parts, compose_all, contact_sheet
from bodyseg_ros.errors import FrameError, SettingsError
from bodyseg_ros.person import TrackState
from bodyseg_ros.plugins import load_plugin, plugin_names
from bodyseg_ros.settings import build
from bodyseg_ros.types import Frame, Poses, Result, Tracks


def effect(name: str, **options: object) -> object:
    plugin = load_plugin("effects", name)
    return plugin(plugin.Settings(**options))


def scene(height: int = 40, width: int = 60, *, people: str = "one") -> tuple[Frame, Result]:
    """Red picture, person in the middle third, nose and shoulders seen."""
    image = np.zeros((height, width, 3), np.uint8)
    image[:] = (200, 10, 10)
    person = np.zeros((height, width), np.uint8)
    if people == "one":
        person[:, width // 3 : 2 * width // 3] = 1
    elif people == "everywhere":
        person[:] = 1
    parts = np.where(person == 1, np.int8(12), np.int8(-1))
    instances = np.where(person == 1, np.int16(0), np.int16(-1))
    poses = Poses.none()
    if people != "nobody":
        points = np.full((1, 17, 2), 20, np.float32)
        scores = np.zeros((1, 17), np.float32)
        points[0, 5], points[0, 6] = (10, 30), (50, 30)
        scores[0, 5:7] = 0.9
        poses = Poses(points, scores, np.ones(1, np.float32))
    maps = {"person": person, "confidence": person.astype(np.float32), "parts": parts, "instances": instances}
    return Frame(image), Result((height, width), **maps, poses=poses)


@pytest.mark.parametrize("name", plugin_names("effects"))
@pytest.mark.parametrize("people", ["one", "nobody", "everywhere"])
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (41, 63)])
def test_every_effect_on_every_scene(name: str, people: str, size: tuple[int, int]) -> None:
    frame, result = scene(*size, people=people)
    before = frame.image.copy()
    picture = effect(name).compose(frame, result)
    assert picture.dtype == np.uint8
    assert picture.shape[:2] == size
    np.testing.assert_array_equal(frame.image, before)
    gray = np.repeat(before[..., :1], 3, axis=2)[:, ::-1]  # as from mono8, and as no OpenCV function likes it
    gray.flags.writeable = False
    assert effect(name).compose(Frame(gray), result).shape == picture.shape


def test_overlay_tints_people_and_leaves_the_rest() -> None:
    frame, result = scene()
    picture = effect("overlay", contour_px=0, opacity=0.5).compose(frame, result)
    np.testing.assert_array_equal(picture[result.person == 0], frame.image[result.person == 0])
    assert (picture[result.person == 1] != frame.image[result.person == 1]).any()
    assert (effect("overlay", contour_px=0, opacity=0.0).compose(frame, result) == frame.image).all()


def test_part_colors() -> None:
    parts = np.array([[-1, 0, 12, 23]], np.int8)
    np.testing.assert_array_equal(
        colored_parts(parts)[0], [(0, 0, 0), PART_COLORS[0], PART_COLORS[12], PART_COLORS[23]]
    )
    assert len(set(PART_COLORS)) == 24
    frame, result = scene()
    picture = effect("colored_parts", opacity=1.0).compose(frame, result)
    assert (picture[result.person == 1] == PART_COLORS[12]).all()


def test_skeleton_draws_seen_bones_only() -> None:
    frame, result = scene()
    changed = (effect("skeleton").compose(frame, result) != frame.image).any(axis=2)
    assert changed[30, 20:40].all()  # the line between the shoulders
    assert not changed[:20].any()  # nothing at unseen keypoints


def test_cutout_is_transparent_outside() -> None:
    frame, result = scene()
    picture = effect("cutout").compose(frame, result)
    assert picture.shape[2] == 4
    assert (picture[result.person == 0] == 0).all()
    assert (picture[result.person == 1] == (200, 10, 10, 255)).all()


def test_backgrounds_keep_people_as_they_are() -> None:
    frame, result = scene()
    picture = effect("virtual_background", color=(1, 2, 3), feather_px=0).compose(frame, result)
    assert (picture[result.person == 0] == (1, 2, 3)).all()
    assert (picture[result.person == 1] == (200, 10, 10)).all()
    soft = effect("virtual_background", color=(1, 2, 3), feather_px=2).compose(frame, result)
    assert (soft[:, 28:32] == (200, 10, 10)).all()
    assert (soft[:, 0] == (1, 2, 3)).all()
    noise = Frame(np.random.default_rng(0).integers(0, 255, (40, 60, 3)).astype(np.uint8))
    blurred = effect("blur_background", feather_px=0).compose(noise, result)
    np.testing.assert_array_equal(blurred[result.person == 1], noise.image[result.person == 1])
    assert blurred[result.person == 0].std() < 0.3 * noise.image[result.person == 0].std()


def test_a_chain_runs_in_order() -> None:
    frame, result = scene()
    chain = [effect("virtual_background", color=(0, 0, 255), feather_px=0), effect("skeleton")]
    picture = compose_all(chain, frame, result)
    assert (picture[0, 0] == (0, 0, 255)).all()
    assert (picture[30, 10] != (0, 0, 255)).any()


def test_a_result_without_what_an_effect_needs() -> None:
    frame, _ = scene()
    with pytest.raises(FrameError, match="person mask"):
        effect("overlay").compose(frame, Result(frame.size))
    with pytest.raises(FrameError, match="needs poses"):
        effect("skeleton").compose(frame, Result(frame.size))


def test_contact_sheet_shows_every_kind_of_picture() -> None:
    frame, result = scene()
    pictures = {"photo": frame.image, "mask": result.person * np.uint8(255)}
    pictures["cut-out"] = effect("cutout").compose(frame, result)
    sheet = contact_sheet(pictures, columns=2, tile_width_px=120)
    assert sheet.dtype == np.uint8 and sheet.shape[2] == 3
    assert (sheet == (200, 10, 10)).all(axis=2).sum() > 120 * 80


@pytest.mark.parametrize("color", [(1, 2), (300, 0, 0), (-1, 0, 0)])
def test_a_color_that_is_none_is_refused(color: tuple[int, ...]) -> None:
    plugin = load_plugin("effects", "virtual_background")
    with pytest.raises(SettingsError, match=r"color is .*three integers from 0 to 255"):
        build(plugin.Settings, {"color": color}, prefix="virtual_background")


def test_colors_go_by_id_where_people_are_tracked() -> None:
    frame, result = scene()
    for name in ("overlay", "skeleton"):
        drawn = {
            number: effect(name, **({"ids": False} if name == "skeleton" else {})).compose(
                frame, replace(result, tracks=Tracks((number,), (TrackState.TRACKED,)))
            )
            for number in (1, 2)
        }
        np.testing.assert_array_equal(drawn[1], effect(name).compose(frame, result))  # the first place's color
        assert (drawn[1] != drawn[2]).any()


def test_ids_are_written_above_the_head() -> None:
    frame, result = scene(120, 160)
    tracked = replace(result, tracks=Tracks((27,), (TrackState.NEW,)))
    with_id, without = (effect("skeleton", ids=ids).compose(frame, tracked) for ids in (True, False))
    changed = np.flatnonzero((with_id != without).any(axis=(1, 2)))
    assert len(changed) > 5
    assert changed.max() < 30  # the topmost keypoint's row
