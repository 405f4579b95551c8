"""The privacy camera shows no person, whatever fails; where it cannot tell, it shows nothing and says why."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bodyseg_ros.errors import EngineError, ModelNotFoundError, SettingsError
from bodyseg_ros.privacy import blank
from bodyseg_ros.ros.graph.fake_graph import FakeGraph
from bodyseg_ros.ros.graph.headers import stamp_ns
from bodyseg_ros.ros.graph.image_messages import read_image
from bodyseg_ros.ros.nodes.node_settings import PrivacySettings
from bodyseg_ros.ros.nodes.privacy_camera import PrivacyCameraNode
from bodyseg_ros.types import Frame, Result, Wanted
from privacy_rig import (
    BROKEN,
    HOLD,
    MARGIN,
    QUIET,
    Camera,
    Eye,
    Saboteur,
    Torture,
    answering,
    colored,
    is_blank,
    raising,
    scene,
)

from .conftest import DEEP, wait_until

LATE = (
    "The image is 1.00 s old after masking, more than max_age, 0.05 s; is the network too slow, or the "
    "camera's clock different?"
)


def test_people_are_covered_with_a_margin_and_the_rest_is_the_cameras(recwarn: Any) -> None:
    camera, picture = Camera(), scene(20)
    with camera.node(Eye(), *QUIET):
        image = camera.settle(picture)
    covered = (image == 96).all(axis=2)
    assert covered[12, 20 - MARGIN : 28 + MARGIN].all()
    assert not covered[12, : 20 - MARGIN].any()
    np.testing.assert_array_equal(image[~covered], picture[~covered])
    info = camera.infos[-1]
    assert (info.height, info.width, info.header.frame_id) == (32, 48, "lens")


def test_a_place_stays_covered_for_as_many_frames_as_asked() -> None:
    camera = Camera()
    with camera.node(Eye(), *QUIET):
        camera.settle(scene(20))
        for left in range(HOLD + 1):
            image = camera.shown(camera.message(scene(None)))
            assert (image == 96).any() == (left < HOLD)


def test_who_is_not_seen_any_more_stays_covered_for_max_gap() -> None:
    camera = Camera()
    with camera.node(Eye(), *QUIET, "max_gap:=60.0"):
        camera.settle(scene(20))
        for _ in range(3 * HOLD):
            assert (camera.shown(camera.message(scene(None)))[2:20, 20:28] == 96).all()


def test_whatever_fails_at_random_no_person_is_shown() -> None:
    """`make torture` does so 10,000 times."""
    counts = Torture(seed=3).run(5_000)
    assert counts["fine, shown"] > 1_000, counts
    assert counts["misses, shown"] > 150, counts
    assert counts["mask of 3 frames before, shown"] > 50, counts
    for kind in ("answers zeros", "answers one value", "resized", "threshold 1.0 set", "stale"):
        assert counts[f"{kind}, dark"] + counts[f"{kind}, shown"] > 100, kind


def test_while_the_network_is_at_it_for_too_long_a_blank_picture_says_so() -> None:
    camera, eye, free = Camera(), Eye(), threading.Event()

    def stuck(seen: Result) -> Result:
        assert free.wait(20)
        camera.clock.now += 10**9
        return seen

    eye.fails = stuck
    with camera.node(eye, "max_age:=0.05"):
        camera.send(camera.message(scene(20)))
        try:
            wait_until(lambda: camera.raw, lambda: (camera.graph.spin_once(), camera.tester.spin_once(0.01)))
        finally:
            free.set()
        assert_says(camera.raw[0], "The mask is late: the network has not answered.", (32, 48))
    camera.tester.spin_once()
    assert_says(camera.raw[-1], LATE, (32, 48))


def test_without_pictures_a_blank_one_says_so() -> None:
    camera = Camera()
    with camera.node(Eye(), "max_age:=0.05"):
        wait_until(lambda: camera.raw, lambda: (camera.graph.spin_once(), camera.tester.spin_once(0.01)))
    assert_says(camera.raw[0], "No picture has come yet.", (480, 640))


def test_when_the_pictures_stop_a_blank_one_says_so() -> None:
    camera = Camera()
    with camera.node(Eye(), "max_age:=0.3", "hold_frames:=0"):
        assert not is_blank(camera.shown(camera.message(scene(20))))
        camera.raw.clear()
        wait_until(lambda: camera.raw, lambda: (camera.graph.spin_once(), camera.tester.spin_once(0.01)))
    assert_says(camera.raw[0], "No new image was received.", (32, 48))


def test_while_the_model_is_being_loaded_a_blank_picture_says_so() -> None:
    camera, free = Camera(), threading.Event()

    def opens(plan: Any) -> Eye:
        assert free.wait(20)
        return Eye()

    with camera.node(None, "max_age:=0.05", opens=opens):
        camera.send(camera.message(scene(20)))
        try:
            wait_until(lambda: camera.raw, lambda: (camera.graph.spin_once(), camera.tester.spin_once(0.01)))
        finally:
            free.set()
    assert_says(camera.raw[0], "The model is being loaded.", (480, 640))


def test_before_people_can_be_held_a_blank_picture_says_how_many_frames_are_missing() -> None:
    camera = Camera()
    with camera.node(Eye(), *QUIET):
        for left in range(HOLD, 0, -1):
            camera.shown(camera.message(scene(20)))
            assert_says(camera.raw[0], f"Looking for people: {left} more frames.", (32, 48))


def test_a_source_that_cannot_be_read_gives_blank_pictures_that_name_it(tmp_path: Any) -> None:
    camera = Camera()
    with camera.node(Eye(), f"source:={tmp_path / 'none.mp4'}", "max_age:=0.05"):
        wait_until(lambda: camera.raw, lambda: (camera.graph.spin_once(), camera.tester.spin_once(0.01)))
        assert is_blank(read_image(camera.raw[-1]).image)
        assert any("none.mp4" in text for level, text in camera.graph.said if level == "error")


def test_where_not_even_a_blank_picture_can_be_made_nothing_is_published(monkeypatch: pytest.MonkeyPatch) -> None:
    camera, eye = Camera(), Eye()
    with camera.node(eye, *QUIET, "hold_frames:=0") as node:
        assert not is_blank(camera.shown(camera.message(scene(20))))
        camera.raw.clear()
        eye.fails = raising(EngineError("The network did not run."))
        monkeypatch.setattr("bodyseg_ros.ros.nodes.privacy_camera.blank", raising(MemoryError()))
        problems = camera.problems
        camera.send(camera.message(scene(21)))
        wait_until(lambda: camera.problems == problems + 2)  # the network's failure, and the blank picture's
        camera.tester.spin_once()
        assert not camera.raw
        eye.fails = None
        monkeypatch.undo()
        while node.done.acquire(blocking=False):
            pass
        assert not is_blank(camera.shown(camera.message(scene(22))))


def test_failures_are_counted_on_diagnostics() -> None:
    camera, eye, heard = Camera(), Eye(), []
    camera.tester.subscribe("/diagnostics", "diagnostic_msgs/msg/DiagnosticArray", DEEP, heard.append)
    with camera.node(eye, *QUIET) as node:
        camera.settle(scene(20))
        eye.fails = answering(BROKEN["zeros"])
        camera.shown(camera.message(scene(21)))
        node.diagnostics.publish()
        camera.tester.spin_once()
    (status,) = heard[-1].status
    values = {pair.key: pair.value for pair in status.values}
    assert (values["frames_in"], values["frames_out"], values["errors"]) == ("5", "5", "1")
    assert "output is constant" in status.message


def test_no_other_topic_carries_a_picture() -> None:
    camera = Camera()
    with camera.node(Eye(), *QUIET):
        camera.settle(scene(20))
        ends = [end for end in camera.graph.endpoints() if end.publishes and end.node == "/privacy_camera"]
    known = {"/diagnostics", "/parameter_events", "/rosout", "/privacy_camera/transition_event"}
    known |= {f"/privacy_camera/{name}" for name in ("image", "image/compressed", "camera_info")}
    assert {end.topic for end in ends} <= known


def assert_says(message: Any, reason: str, size: tuple[int, int]) -> None:
    np.testing.assert_array_equal(read_image(message).image, blank(size, reason).image)


def test_a_model_that_is_not_there_gives_blank_pictures_that_say_so() -> None:
    camera = Camera()
    with camera.node(None, *QUIET, opens=raising(ModelNotFoundError("There is no model of that name."))):
        for _ in range(3):
            camera.shown(camera.message(scene(20)))
            assert_says(camera.raw[0], "The model cannot be used: There is no model of that name.", (480, 640))


@pytest.mark.parametrize("kind", BROKEN)
def test_an_engine_that_answers_without_seeing_gives_a_blank_picture_that_says_so(kind: str) -> None:
    camera, eye = Camera(), Eye()
    with camera.node(eye, *QUIET):
        camera.settle(scene(20))
        eye.fails = answering(BROKEN[kind])
        assert is_blank(camera.shown(camera.message(scene(21))))
        said = " ".join(text for _, text in camera.graph.said)
        reason = {"out of range": "out of range", "not a number": "contains NaN"}.get(kind, "output is constant over")
        assert reason in said


def test_a_stuck_engine_gives_blank_pictures_and_a_still_scene_does_not() -> None:
    camera, eye = Camera(), Eye()
    with camera.node(eye, *QUIET):
        camera.settle(scene(20))
        assert not is_blank(camera.shown(camera.message(scene(20)))), "the same picture may have the same answer"
        eye.fails = eye.answer_again
        for left in range(21, 30):
            assert is_blank(camera.shown(camera.message(scene(left))))
        assert any("did not change by a single bit" in text for _, text in camera.graph.said)


@pytest.mark.parametrize(
    ("parameter", "name"),
    [
        ("segmentation_threshold:=1.0", "segmentation_threshold is 1.0"),
        ("internal_resolution:=0.1", "internal_resolution is"),
        ("max_input_px:=1024", "max_input_px is 1024, but in fewer than 49152"),
        ("refine.grow_px:=-40", "refine.grow_px is -40, but to hide people nothing may be taken off"),
        ("refine.open_px:=100", "refine.open_px is 100"),
        ("refine.smoothing:=0.9", "refine.smoothing is 0.9"),
        ("refine.guided_radius_px:=200", "refine.guided_radius_px is 200"),
        ("per_person.model:=bodypix-mobilenet-075", "per_person.model is 'bodypix-mobilenet-075'"),
        ("model:=deeplab-mobilenet-v2-257", "kept_classes is .'dog'."),
    ],
)
def test_parameters_under_which_nobody_would_be_covered_are_refused(parameter: str, name: str) -> None:
    dog = ["-p", "kept_classes:=[dog]"] if "deeplab" in parameter else []
    with pytest.raises(SettingsError, match=name):
        PrivacyCameraNode(FakeGraph("privacy_camera", arguments=["--ros-args", "-p", parameter, *dog]))


def test_the_nodes_own_defaults_reach_the_network() -> None:
    """Not those of the network, which show more."""
    given: list[Any] = []
    camera = Camera()

    def opens(plan: Any) -> Eye:
        given.append(plan)
        return Eye()

    with camera.node(None, opens=opens):
        camera.shown(camera.message(scene(20)))
    (plan,), own = given, PrivacySettings()
    assert plan.network.segmentation_threshold == own.segmentation_threshold <= 0.5
    assert plan.network.internal_resolution == own.internal_resolution == "high"
    assert plan.model.model == own.model
    names = [parameter.name for parameter in plan.parameters]
    assert len(names) == len(set(names))


def test_a_configure_cleanup_cycle_adds_no_publisher() -> None:
    camera = Camera()
    with camera.node(Eye(), *QUIET) as node:
        for _ in range(3):
            node.deactivate()
            node.cleanup()
            node.configure()
            node.activate()
        topics = [end.topic for end in camera.graph.endpoints() if end.publishes and end.node == "/privacy_camera"]
        assert len(topics) == len(set(topics))


def test_a_delayed_picture_is_that_of_its_stamp_and_what_is_seen_later_counts_for_it() -> None:
    """A person is seen in the fifth picture on, two pictures after they came."""
    camera, eye, sent = Camera(), Eye(), []
    misses = lambda seen: replace(seen, person=np.zeros(seen.size, np.uint8), confidence=seen.confidence * 1e-3)  # noqa: E731
    with camera.node(eye, *QUIET, "delay_frames:=2", "hold_frames:=0"):
        for index in range(8):
            camera.clock.now += 10**8
            eye.fails = misses if index < 4 else None
            picture = scene(20 if index >= 2 else None)
            picture[0] = 100 + index  # tells one picture from another
            message = camera.message(picture)
            sent.append(stamp_ns(message.header))
            answers = camera.answers(message)
            assert len(answers) == (index >= 2)
            for answer in answers:
                assert answer.stamp == sent[index - 2]
                assert not answer.shows_people
                assert (answer.image[0, 0] == 100 + index - 2).all()
                assert (answer.image == 96).any() == (index >= 4)


def test_what_is_delayed_is_dark_where_a_later_picture_fails() -> None:
    """The way of a person through it will not be known."""
    camera, eye = Camera(), Eye()
    with camera.node(eye, *QUIET, "delay_frames:=2", "hold_frames:=0"):
        messages = [camera.message(scene(left), age_s=-0.1 * left) for left in range(20, 26)]
        assert [len(camera.answers(message)) for message in messages[:4]] == [0, 0, 1, 1]
        eye.fails = raising(EngineError("The network did not run."))
        answers = camera.answers(messages[4])
    assert [answer.stamp for answer in answers] == [stamp_ns(message.header) for message in messages[2:5]]
    for answer in answers:
        np.testing.assert_array_equal(answer.image, blank((32, 48), "The network did not run.").image)


def test_a_delay_of_more_than_max_age_is_no_silence() -> None:
    camera, left = Camera(), 20
    with camera.node(Eye(), "max_age:=0.2", "hold_frames:=0", "delay_frames:=6"):
        for index in range(14):
            camera.clock.now += 10**8
            answers = camera.answers(camera.message(scene(left + index)))
            time.sleep(0.05)
            camera.graph.spin_once()
            assert len(answers) == (index >= 6)
            assert not any(is_blank(answer.image) for answer in answers)


def test_an_engine_that_answers_some_frames_late_is_covered_by_a_delay_of_as_many() -> None:
    """It cannot be told from one that works. A person moves more than the margin in that time."""

    def people_shown(delay: int) -> int:
        camera, eye = Camera(), Eye()
        eye.fails, shown = eye.answer_late(3), 0
        with camera.node(eye, *QUIET, f"delay_frames:={delay}"):
            for left in range(0, 40, 3):
                answers = camera.answers(camera.message(scene(left), age_s=-0.1 * left))
                shown += sum(answer.shows_people for answer in answers)
        return shown

    assert people_shown(3) == 0
    assert people_shown(0) > 0, "or the test shows nothing"


def test_after_a_pause_it_looks_anew() -> None:
    """Whoever came meanwhile may be missed in the first pictures."""
    camera = Camera()
    with camera.node(Eye(), *QUIET) as node:
        camera.settle(scene(20))
        for cleans_up in (False, True):
            node.deactivate()
            if cleans_up:
                node.cleanup()
                node.configure()
            node.activate()
            camera.settle(scene(6))


@pytest.mark.parametrize(
    ("fact", "value", "reason"),
    [
        ("offers", Wanted.PERSON, "no person probabilities"),
        ("offers", Wanted.POSES, "computes no person masks"),
        ("learns_background", True, "as background"),
    ],
)
def test_a_network_that_cannot_hide_people_is_not_used(fact: str, value: object, reason: str) -> None:
    camera, eye = Camera(), Eye()
    setattr(eye, fact, value)
    with camera.node(eye, *QUIET):
        assert is_blank(camera.shown(camera.message(scene(20))))
        assert any(reason in text for _, text in camera.graph.said)


def test_an_effect_that_makes_another_size_gives_a_blank_picture() -> None:
    camera = Camera()
    with camera.node(Eye(), "hold_frames:=0", "max_age:=60.0") as node:
        node._effects = (Cropping(),)
        assert is_blank(camera.shown(camera.message(scene(20))))


class Cropping(Saboteur):
    def compose(self, frame: Frame, result: Result) -> np.ndarray:
        return frame.image[:10]


def test_masks_that_do_not_lie_on_the_picture_are_refused() -> None:
    with pytest.raises(SettingsError, match="flip_horizontal is True.*privacy camera"):
        PrivacyCameraNode(FakeGraph("privacy_camera", arguments=["--ros-args", "-p", "flip_horizontal:=true"]))
    with pytest.raises(SettingsError, match="frame_skip is 2.*every frame"):
        PrivacyCameraNode(FakeGraph("privacy_camera", arguments=["--ros-args", "-p", "frame_skip:=2"]))


def test_a_source_is_played_inside_the_process(tmp_path: Any) -> None:
    import cv2

    photo = tmp_path / "photo.png"
    cv2.imwrite(str(photo), scene(20)[..., ::-1])
    camera = Camera()
    camera.clock = __import__("time").time_ns  # type: ignore[assignment]
    with camera.node(Eye(), *QUIET, f"source:={photo}", "rate:=100.0"):
        spin = lambda: (camera.graph.spin_once(), camera.tester.spin_once(0.01))  # noqa: E731
        wait_until(lambda: camera.raw and not is_blank(read_image(camera.raw[-1]).image), spin)
        assert not [end for end in camera.graph.endpoints() if end.node == "/privacy_camera" and end.topic == "/image"]
    assert not colored(read_image(camera.raw[-1]).image).any()
    assert camera.raw[-1].header.frame_id == "camera"
