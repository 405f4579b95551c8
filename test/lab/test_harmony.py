"""Training of the network behind harmonize: composites, what the network sees, its file, and its scores."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from skimage.color import rgb2lab
from typer.testing import CliRunner

from bodyseg_ros.cli.main import app
from bodyseg_ros.errors import MediaError, SettingsError
from bodyseg_ros.lab.harmony_composites import (
    Person,
    Tint,
    Tints,
    crop,
    draw_tint,
    make_composite,
    paste,
    recolor_photo,
)
from bodyseg_ros.lab.harmony_config import read_harmony_settings
from bodyseg_ros.lab.harmony_scores import score
from bodyseg_ros.types import Frame

ROOT = Path(__file__).resolve().parents[2]


def scene(seed: int, height: int = 96, width: int = 80) -> Person:
    """A person in clothes of some colors before a wall and a floor, all in one light."""
    random = np.random.default_rng(seed)
    image = np.empty((height, width, 3), np.float32)
    image[: height // 2], image[height // 2 :] = random.uniform(60, 220, 3), random.uniform(40, 160, 3)
    mask = np.zeros((height, width), np.uint8)
    left = int(random.integers(10, 30))
    for top, color in zip(range(12, 84, 18), random.uniform(30, 230, (4, 3)), strict=True):
        image[top : top + 18, left : left + 36] = color
        mask[top : top + 18, left : left + 36] = 1
    noise = random.normal(0, 6, image.shape)
    return Person(np.clip(image + noise, 0, 255).astype(np.uint8), mask)


def test_changes_of_color_by_hand() -> None:
    color = np.array([[0.25, 0.5, 0.64]], np.float32)
    for tint, expected in (
        (Tint(), (0.25, 0.5, 0.64)),
        (Tint(exposure=1.5), (0.375, 0.75, 0.96)),
        (Tint(gamma=0.5), (0.5, 0.7071, 0.8)),
        (Tint(temperature=1.25), (0.3125, 0.5, 0.512)),
        (Tint(green=0.8), (0.25, 0.4, 0.64)),
        (Tint(contrast=2.0), (0.0, 0.5, 0.78)),
        (Tint(saturation=0.0), (0.44121,) * 3),  # 0.299 R + 0.587 G + 0.114 B
    ):
        np.testing.assert_allclose(tint.apply(color), [expected], atol=1e-4)


def test_a_turn_of_the_hue_keeps_gray_and_brightness() -> None:
    colors = np.random.default_rng(0).uniform(0.3, 0.7, (50, 3)).astype(np.float32)
    turned = Tint(hue_degrees=20).apply(colors)
    weights = (0.299, 0.587, 0.114)
    np.testing.assert_allclose(turned @ weights, colors @ weights, atol=2e-3)
    assert np.abs(turned - colors).max() > 0.05
    np.testing.assert_allclose(Tint(hue_degrees=20).apply(np.full((1, 3), 0.5, np.float32)), 0.5, atol=2e-3)


def test_every_drawn_change_changes_something() -> None:
    random = np.random.default_rng(0)
    assert all(draw_tint(Tints(chance=0.01), random) != Tint() for _ in range(50))
    logarithms = [np.log(draw_tint(Tints(chance=1.0), random).exposure) for _ in range(2000)]
    assert abs(float(np.std(logarithms)) - Tints().exposure) < 0.02


def test_a_composite_differs_from_its_photo_at_people_alone() -> None:
    person = scene(1)
    made = paste(person, recolor_photo(person, Tint(exposure=0.5)).image)
    assert made.truth is person.image
    far = cv2.dilate(person.mask, np.ones((5, 5), np.uint8)) == 0
    np.testing.assert_array_equal(made.image[far], person.image[far])
    np.testing.assert_allclose(made.image[made.person], person.image[made.person] * 0.5, atol=1)
    np.testing.assert_array_equal(paste(person, person.image).image, person.image)


def test_people_their_surroundings_or_both_have_other_colors() -> None:
    person, random = scene(1), np.random.default_rng(0)
    far = cv2.dilate(person.mask, np.ones((7, 7), np.uint8)) == 0
    inside = cv2.erode(person.mask, np.ones((7, 7), np.uint8)) == 1
    kinds = set()
    for _ in range(30):
        made = make_composite(person, Tints(), random)
        assert (made.image[inside] != made.truth[inside]).any()  # people do not fit
        np.testing.assert_array_equal(made.image[far], made.truth[far])  # the answer has the surroundings' light
        kinds.add(((made.image[inside] != person.image[inside]).any(), (made.image[far] != person.image[far]).any()))
    assert kinds == {(True, False), (False, True), (True, True)}


def test_crops_hold_some_of_the_person_and_of_the_rest() -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        part = crop(scene(2), 32, random)
        assert part.image.shape == (32, 32, 3)
        assert 0 < part.mask.mean() < 1


def test_scores_by_hand() -> None:
    """Of a gray photo: nothing done, the surroundings' color taken, and a brighter one."""
    people = [Person(np.full((40, 40, 3), 100, np.uint8), np.pad(np.ones((20, 20), np.uint8), 10))]
    tints = Tints(exposure=0.25, gamma=0, temperature=0, green=0, saturation=0, contrast=0, hue_degrees=0, chance=1.0)
    left = score(lambda image, mask: image, people, tints)
    assert left.delta_e_tinted == left.delta_e_before > 1
    assert (left.psnr_db_tinted, left.delta_e_untouched, left.composites) == (left.psnr_db_before, 0, 1)
    right = score(lambda image, mask: np.full_like(image, image[0, 0]), people, tints)
    assert (right.delta_e_tinted, right.psnr_db_tinted) == (0, 60)
    brighter = score(lambda image, mask: np.full_like(image, image[0, 0] + 10), people, tints)
    # L* of sRGB gray 100 and 110 (IEC 61966-2-1, CIE 1976): 42.37 and 46.45
    assert abs(brighter.delta_e_untouched - 4.07) < 0.1
    assert abs(brighter.psnr_db_tinted - 20 * np.log10(255 / 10)) < 1e-6


def test_histograms_by_hand() -> None:
    pytest.importorskip("keras", reason="training needs: pip install '.[train]'")
    from bodyseg_ros.lab.harmony_network import BINS, histograms

    # 85 is the third of seven bins, exactly; 106 lies nearly halfway to the fourth.
    image = np.array([[(0, 0, 0), (255, 0, 85), (85, 85, 85), (0, 0, 106)]], np.uint8)
    seen = histograms(image, np.array([[1, 1, 0, 0]], np.uint8))
    people, rest = seen[:-1].reshape(2, BINS, BINS, BINS) ** 2
    assert people[0, 0, 0] == pytest.approx(0.5) and people[6, 0, 2] == pytest.approx(0.5)
    assert rest[2, 2, 2] == pytest.approx(0.5)
    upper = 106 / 42.5 - 2
    assert rest[0, 0, 3] == pytest.approx(upper / 2) and rest[0, 0, 2] == pytest.approx((1 - upper) / 2)
    assert (people.sum(), rest.sum(), seen[-1]) == (pytest.approx(1), pytest.approx(1), 0.5)


@pytest.fixture(scope="module")
def tensorflow() -> None:
    for package in ("tensorflow", "ai_edge_litert"):
        pytest.importorskip(package, reason="training needs: pip install '.[train]'")


@pytest.mark.usefixtures("tensorflow")
def test_the_network_sees_the_histograms_and_its_loss_is_the_color_difference() -> None:
    from bodyseg_ros.lab.harmony_network import Histograms, color_loss, histograms, to_lab

    person = scene(3, 32, 32)
    picture = np.dstack([person.image / np.float32(255), person.mask.astype(np.float32)])[None]
    np.testing.assert_allclose(Histograms()(picture)[0], histograms(person.image, person.mask), atol=1e-4)
    colors = np.random.default_rng(0).random((2, 100, 3), dtype=np.float32)
    lab = rgb2lab(colors)
    np.testing.assert_allclose(to_lab(colors), lab, atol=0.05)
    other = colors[:, ::-1]
    differences = np.linalg.norm(lab - lab[:, ::-1], axis=-1).mean(1)
    np.testing.assert_allclose(color_loss(colors, other), differences, rtol=1e-2)
    beyond = color_loss(np.ones((1, 1, 3), np.float32), np.full((1, 1, 3), 1.1, np.float32))
    np.testing.assert_allclose(beyond, [0.1 + 100 * 0.3], rtol=1e-3)


@pytest.mark.usefixtures("tensorflow")
def test_an_untrained_networks_file_changes_nothing(tmp_path: Path) -> None:
    from bodyseg_ros.effects.harmony_networks import open_network
    from bodyseg_ros.lab.harmony_network import build_network, tflite_bytes

    path = tmp_path / "harmony.tflite"
    path.write_bytes(tflite_bytes(build_network(), 32))
    person = scene(4)
    changed = open_network(path, "litert", 0).recolor(Frame(person.image), person.mask)
    np.testing.assert_allclose(changed, person.image, atol=1)


def write_run(folder: Path, **changes: object) -> Path:
    for seed in range(12):
        person = scene(seed)
        for name, picture in (("photos", person.image[..., ::-1]), ("masks", person.mask * np.uint8(255))):
            (folder / name).mkdir(exist_ok=True)
            cv2.imwrite(str(folder / name / f"{seed}.png"), picture)
    run = {
        "folders": [{"photos": "photos", "masks": "masks"}],
        "held_out": 0.0,
        "crops": 40,
        "unchanged": 0.3,
        "steps": 120,
        "batch": 64,
    }
    (folder / "harmony.yaml").write_text(yaml.safe_dump(run | changes))
    return folder / "harmony.yaml"


@pytest.mark.usefixtures("tensorflow")
def test_the_command_trains_a_network_that_brings_colors_back(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["train", "harmony", str(write_run(tmp_path)), "--json", "--quiet"])
    assert done.exit_code == 0, done.output
    figures = json.loads(done.stdout)
    assert figures["composites"] == 12
    assert figures["delta_e_tinted"] < 0.85 * figures["delta_e_before"]
    assert figures["psnr_db_tinted"] > figures["psnr_db_before"] + 1
    assert figures["delta_e_untouched"] < 0.7 * figures["delta_e_tinted"]
    assert (tmp_path / "harmony/harmony.tflite").stat().st_size < 1e6


def test_the_configuration_of_the_shipped_network_is_valid() -> None:
    settings = read_harmony_settings(ROOT / "models/harmony-64/harmony.yaml")
    assert settings.side == 64 and (ROOT / "models/harmony-64/harmony.tflite").stat().st_size < 1e6


def test_configurations_that_cannot_be_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match=r"harmony.yaml.*unchanged is 1.0"):
        read_harmony_settings(write_run(tmp_path, unchanged=1.0))
    with pytest.raises(SettingsError, match="tint is not a field"):
        read_harmony_settings(write_run(tmp_path, tint={}))
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    done = CliRunner().invoke(app, ["train", "harmony", str(write_run(tmp_path))])
    assert isinstance(done.exception, SettingsError) and "'torch'" in str(done.exception)


@pytest.mark.usefixtures("tensorflow")
def test_photos_without_anybody_to_learn_from_are_refused(tmp_path: Path) -> None:
    from bodyseg_ros.lab.harmony_training import run

    settings = read_harmony_settings(write_run(tmp_path, held_out=0.999))
    with pytest.raises(MediaError, match="held_out is 0.999"):
        run(settings, lambda *_: None)
