"""What each kind of effect promises, by hand calculation."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from bodyseg_ros.body import PART_COLORS
from bodyseg_ros.effects import compose_all, load_effects
from bodyseg_ros.effects.example import example
from bodyseg_ros.effects.palettes import PALETTES
from bodyseg_ros.errors import FrameError, SettingsError
from bodyseg_ros.media import open_sink
from bodyseg_ros.media.photos import write_photo
from bodyseg_ros.plan import plugin_settings
from bodyseg_ros.settings import split_groups
from bodyseg_ros.types import Frame, Result


def chain(*names: str, **parameters: object) -> tuple:
    """Effects by name; parameters as `overlay__opacity`."""
    groups = split_groups({name.replace("__", "."): value for name, value in parameters.items()})[1]
    return load_effects("effects", names, plugin_settings("effects", groups))


def noise(height: int = 40, width: int = 60, seed: int = 0) -> Frame:
    return Frame(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


def box(frame: Frame, top: int, left: int, bottom: int, right: int) -> Result:
    """A person who fills a box, his upper half face, the rest torso."""
    person = np.zeros(frame.size, np.uint8)
    person[top:bottom, left:right] = 1
    parts = np.where(person == 1, np.int8(12), np.int8(-1))
    parts[top : (top + bottom) // 2, left:right] = 0
    return Result(frame.size, person=person, confidence=person.astype(np.float32), parts=parts)


def test_overlay_mixes_by_opacity() -> None:
    frame = Frame(np.full((4, 4, 3), 100, np.uint8))
    result = box(frame, 0, 0, 4, 2)
    picture = compose_all(chain("overlay", overlay__contour_px=0, overlay__color=[200, 0, 50]), frame, result)
    assert abs(picture[0, 0].astype(int) - (150, 50, 75)).max() <= 1
    assert (picture[:, 2:] == 100).all()
    dark = chain("overlay", overlay__mask="background", overlay__color=[0, 0, 0], overlay__opacity=0.7)
    picture = compose_all(dark, frame, replace(result, person=np.zeros((4, 4), np.uint8)))
    assert abs(picture.astype(int) - 30).max() <= 1  # the reference's drawMask where nobody is


def test_palettes_are_the_references() -> None:
    """Ends and middle of demo/part_color_scales.js; its warm is rounded differently by one in places."""
    assert [PALETTES["rainbow"][part] for part in (0, 12, 23)] == [(110, 64, 170), (175, 240, 91), (99, 81, 195)]
    assert [PALETTES["spectral"][part] for part in (0, 12, 23)] == [(158, 1, 66), (251, 248, 176), (77, 103, 173)]
    assert (
        np.abs(np.subtract(PALETTES["warm"], 0)[[0, 4, 23]] - [(110, 64, 170), (84, 101, 214), (155, 243, 88)]).max()
        <= 1
    )
    assert PALETTES["rainbow"] == PART_COLORS


def test_a_palette_of_ones_own() -> None:
    frame = noise()
    colors = [f"#{part:02x}00ff" for part in range(24)]
    own = chain("colored_parts", colored_parts__palette="own", colored_parts__colors=colors, colored_parts__opacity=1.0)
    picture = compose_all(own, frame, box(frame, 0, 0, 20, 20))
    assert tuple(picture[0, 0]) == (0, 0, 255) and tuple(picture[15, 0]) == (12, 0, 255)
    with pytest.raises(SettingsError, match="colored_parts.colors is .*24 colors written as '#rrggbb'"):
        chain("colored_parts", colored_parts__colors=["red"])


@pytest.mark.parametrize(
    ("background", "color"), [("magenta", (255, 0, 255)), ("green", (0, 255, 0)), ("color", (1, 2, 3))]
)
def test_a_cutout_on_a_color(background: str, color: tuple[int, ...]) -> None:
    frame = noise()
    result = box(frame, 5, 5, 30, 30)
    picture = compose_all(chain("cutout", cutout__background=background, cutout__color=[1, 2, 3]), frame, result)
    assert (picture[result.person == 0] == color).all()
    np.testing.assert_array_equal(picture[result.person == 1], frame.image[result.person == 1])


def test_smooth_step_is_the_cubic_between_its_ends() -> None:
    confidence = np.array([[0.0, 0.3, 0.45, 0.6, 0.9, 1.0]], np.float32)
    frame = Frame(np.full((1, 6, 3), 200, np.uint8))
    picture = compose_all(chain("smooth_step"), frame, Result((1, 6), confidence=confidence))
    expected = [255 * t * t * (3 - 2 * t) for t in np.clip((confidence[0] - 0.3) / 0.6, 0, 1)]
    assert np.abs(picture[0, :, 3] - expected).max() <= 2  # probabilities in 255 steps
    assert (picture[0, 0] == 0).all() and (picture[0, -1] == (200, 200, 200, 255)).all()


def test_a_soft_edge_is_used_by_the_next_effect() -> None:
    frame = Frame(np.full((1, 3, 3), 200, np.uint8))
    seen = Result((1, 3), person=np.ones((1, 3), np.uint8), confidence=np.array([[0, 0.6, 1]], np.float32))
    picture = compose_all(chain("smooth_step", "virtual_background", virtual_background__color=[0, 0, 0]), frame, seen)
    assert np.abs(picture[0, :, 0].astype(int) - (0, 100, 200)).max() <= 1


def test_a_blurred_background_has_nothing_of_the_person() -> None:
    frame = Frame(np.full((60, 60, 3), 50, np.uint8))
    frame.image[20:40, 20:40] = 250
    picture = compose_all(chain("blur_background", blur_background__feather_px=0), frame, box(frame, 20, 20, 40, 40))
    assert (picture[:15] <= 51).all() and (picture[25:35, 25:35] == 250).all()


@pytest.mark.parametrize(("fit", "row"), [("fill", [1, 1, 2, 2]), ("stretch", [1, 1, 2, 2]), ("fit", [9, 1, 2, 9])])
def test_a_photo_behind_people(tmp_path: Path, fit: str, row: list[int]) -> None:
    photo = np.repeat(np.array([[[1], [2]]], np.uint8), 3, axis=2)
    write_photo(tmp_path / "b.png", np.repeat(np.repeat(photo, 8, axis=0), 4, axis=1))  # 8×8, left 1, right 2
    parameters = {"source": str(tmp_path / "b.png"), "fit": fit, "color": [9, 9, 9], "feather_px": 0}
    effects = chain(
        "virtual_background", **{f"virtual_background__{name}": value for name, value in parameters.items()}
    )
    frame = noise(8, 16)
    result = Result(frame.size, person=np.zeros(frame.size, np.uint8))
    assert compose_all(effects, frame, result)[4, 2::4, 0].tolist() == row


def test_a_video_behind_people_goes_with_the_frames_and_begins_again(tmp_path: Path) -> None:
    pytest.importorskip("av", reason="videos need PyAV: pip install '.[video]'")
    with open_sink(tmp_path / "b.mp4", Fraction(10)) as sink:
        for index in range(5):
            gray = np.full((32, 32, 3), 40 * index, np.uint8)
            sink(gray, Frame(gray, stamp_ns=index * 100_000_000))
    (effect,) = chain("virtual_background", virtual_background__source=str(tmp_path / "b.mp4"))
    nobody = Result((32, 32), person=np.zeros((32, 32), np.uint8))
    shown = [
        int(effect.compose(Frame(np.zeros((32, 32, 3), np.uint8), stamp_ns=10**18 + at * 100_000_000), nobody).mean())
        for at in (0, 1, 2, 2, 3, 4, 5, 6)
    ]
    assert np.abs(np.array(shown[:5]) - (0, 40, 80, 80, 120)).max() < 8
    assert shown[-1] < 60  # it has begun again


def test_the_topics_picture_stands_behind_people_once_it_has_come() -> None:
    frame = noise()
    nobody = Result(frame.size, person=np.zeros(frame.size, np.uint8))
    effects = chain("virtual_background", virtual_background__source="topic")
    assert (compose_all(effects, frame, nobody) == (0, 110, 80)).all()
    behind = np.full((7, 9, 3), 33, np.uint8)
    assert (compose_all(effects, replace(frame, background=behind), nobody) == 33).all()


def test_a_background_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(SettingsError, match="virtual_background.source is '/nowhere.png'.* photo or vid"):
        chain("virtual_background", virtual_background__source="/nowhere.png")


HIDING = [
    ("anonymize", {}), ("anonymize", {"anonymize__how": "pixelate"}), ("anonymize", {"anonymize__how": "blur"}),
    ("anonymize", {"anonymize__how": "silhouette"}), ("pixelate", {}), ("remove_people", {}),
    ("anonymize", {"anonymize__what": "faces"}), ("anonymize", {"anonymize__what": "faces", "anonymize__how": "blur"}),
    ("blur_parts", {}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "parameters"), HIDING)
@pytest.mark.parametrize("whole", [False, True])
def test_nothing_of_the_person_is_left(name: str, parameters: dict[str, object], whole: bool) -> None:
    """Against noise: what is hidden no longer follows the pixels that were there."""
    frame = noise(120, 160)
    result = box(frame, *((0, 0, 120, 160) if whole else (30, 40, 90, 100)))
    hidden = result.parts == 0 if "faces" in parameters.values() or name == "blur_parts" else result.person == 1
    picture = compose_all(chain(name, **parameters), frame, result)
    before, after = frame.image[hidden].ravel().astype(float), picture[hidden].ravel().astype(float)
    assert after.std() < 1 or abs(np.corrcoef(before, after)[0, 1]) < 0.35
    assert (picture[hidden] == frame.image[hidden]).all(axis=1).mean() < 0.01
    if not whole:
        np.testing.assert_array_equal(picture[:15], frame.image[:15])


def test_a_person_without_a_face_is_hidden_whole() -> None:
    frame = noise(60, 90)
    result = box(frame, 10, 5, 50, 25)
    result.person[10:50, 50:70] = 1
    result.parts[10:50, 50:70] = 13
    effects = chain("anonymize", anonymize__what="faces", anonymize__color=[1, 2, 3])
    hidden = (compose_all(effects, frame, result) == (1, 2, 3)).all(axis=2)
    assert hidden[10:50, 50:70].all() and hidden[10:30, 5:25].all() and not hidden[35:, 5:25].any()


def test_a_silhouette_has_no_holes() -> None:
    frame = noise(60, 60)
    result = box(frame, 10, 10, 50, 50)
    result.person[25:35, 25:35] = 0
    effects = chain("anonymize", anonymize__how="silhouette", anonymize__color=[1, 2, 3], anonymize__margin=0.0)
    assert (compose_all(effects, frame, result)[10:50, 10:50] == (1, 2, 3)).all()


def test_parts_that_there_are_not_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"blur_parts.parts is \['nose'\].* left_face"):
        chain("blur_parts", blur_parts__parts=["nose"])


def test_the_learnt_background_shows_through() -> None:
    room, (effect,) = noise(seed=3), chain("remove_people", remove_people__margin=0.0)
    visited = Frame(np.where(box(room, 10, 10, 30, 30).person[..., None] == 1, np.uint8(0), room.image))
    effect.compose(room, Result(room.size, person=np.zeros(room.size, np.uint8)))
    np.testing.assert_array_equal(effect.compose(visited, box(room, 10, 10, 30, 30)), room.image)
    other = noise(20, 20)  # another camera: what was learned is not shown
    assert effect.compose(other, box(other, 0, 0, 20, 20)).std() == 0


def test_color_transfer_takes_mean_and_spread_of_the_background() -> None:
    frame = Frame(np.full((40, 40, 3), 200, np.uint8))
    frame.image[:, 20:] = 60
    effects = chain("color_transfer", color_transfer__strength=1.0, color_transfer__feather_px=0)
    picture = compose_all(effects, frame, box(frame, 0, 20, 40, 40))
    assert np.abs(picture.astype(int) - 200).max() <= 2
    half = chain("color_transfer", color_transfer__strength=0.5, color_transfer__feather_px=0)
    lightness = cv2.cvtColor(compose_all(half, frame, box(frame, 0, 20, 40, 40)), cv2.COLOR_RGB2LAB)[..., 0]
    ends = cv2.cvtColor(frame.image, cv2.COLOR_RGB2LAB)[..., 0]
    assert abs(int(lightness[0, -1]) - (int(ends[0, 0]) + int(ends[0, -1])) / 2) <= 2


def test_a_clone_keeps_gradients_and_takes_the_surroundings_brightness() -> None:
    frame = Frame(np.full((60, 60, 3), 100, np.uint8))
    frame.image[25:35, 25:35] = 140
    effects = chain("seamless_clone", seamless_clone__color=[50, 50, 50], seamless_clone__feather_px=0)
    picture = compose_all(effects, frame, box(frame, 15, 15, 45, 45)).astype(int)
    assert np.abs(picture[30, 30] - 90).max() <= 3 and np.abs(picture[20, 20] - 50).max() <= 3


def test_mirror_takes_masks_and_keypoints_along() -> None:
    frame, result = example(90, 120)
    one_way = compose_all(chain("mirror", "overlay", "mirror", overlay__contour_px=0), frame, result)
    np.testing.assert_array_equal(one_way, compose_all(chain("overlay", overlay__contour_px=0), frame, result))
    (mirror,) = chain("mirror")
    moved = mirror.move(result)
    np.testing.assert_allclose(moved.poses.keypoints[0, :, 0], 119 - result.poses.keypoints[0, :, 0])
    assert (moved.poses.keypoints[0, 5, 0] < moved.poses.keypoints[0, 6, 0]) != (
        result.poses.keypoints[0, 5, 0] < result.poses.keypoints[0, 6, 0]
    )


def test_a_crop_is_the_box_of_people() -> None:
    frame = noise(40, 60)
    result = box(frame, 10, 20, 30, 50)
    own = chain("crop_to_people", crop_to_people__resize=False, crop_to_people__margin=0.0)
    np.testing.assert_array_equal(compose_all(own, frame, result), frame.image[10:30, 20:50])
    (crop,) = chain("crop_to_people", crop_to_people__margin=0.0)
    assert crop.compose(frame, result).shape == frame.image.shape
    person = crop.move(result).person
    assert person.mean() > 0.9 and person.shape == frame.size  # 20×30 px fill 40×60
    np.testing.assert_array_equal(
        compose_all(chain("crop_to_people"), frame, Result(frame.size, person=np.zeros(frame.size, np.uint8))),
        frame.image,
    )


def test_a_result_of_another_size_is_refused() -> None:
    with pytest.raises(FrameError, match=r"The frame is \(40, 60\).*\(40, 59\)"):
        compose_all(chain("mirror"), noise(), Result((40, 59)))


def test_an_effect_whose_settings_stay_lives_on() -> None:
    before = chain("remove_people", "mirror")
    after = load_effects(
        "effects", ["remove_people"], plugin_settings("effects", {"overlay": {"opacity": 0.1}}), before
    )
    assert after == before[:1]
    changed = load_effects(
        "effects", ["remove_people"], plugin_settings("effects", {"remove_people": {"margin": 0.1}}), before
    )
    assert changed != before[:1]


def test_harmonize_names_a_file_that_is_missing() -> None:
    with pytest.raises(SettingsError, match="harmonize.model_path is '/nowhere.onnx'.*file"):
        chain("harmonize", harmonize__model_path="/nowhere.onnx")
