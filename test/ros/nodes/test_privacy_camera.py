"""The privacy camera shows no person, whatever fails; where it cannot tell, it shows nothing and says why."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pytest

from bodyseg_ros.effects import Effect
from bodyseg_ros.effects.background import BlurBackground, BlurBackgroundSettings
from bodyseg_ros.errors import EngineError, ModelNotFoundError, SettingsError
from bodyseg_ros.privacy import blank
from bodyseg_ros.ros.graph.fake_graph import Bus, FakeGraph
from bodyseg_ros.ros.graph.headers import stamp_ns
from bodyseg_ros.ros.graph.image_messages import image_message, read_compressed, read_image
from bodyseg_ros.ros.graph.qos import LATCHED
from bodyseg_ros.ros.nodes.node_settings import PrivacySettings
from bodyseg_ros.ros.nodes.privacy_camera import PrivacyCameraNode
from bodyseg_ros.types import Frame, Result, Wanted

from .conftest import DEEP, IMAGE, PATIENCE_S, header_of, wait_until

COMPRESSED, CAMERA_INFO = "sensor_msgs/msg/CompressedImage", "sensor_msgs/msg/CameraInfo"
LATE = (
    "The image is 1.00 s old after masking, more than max_age, 0.05 s; is the network too slow, or the "
    "camera's clock different?"
)
#: People alone are colored; everything else in these tests is gray.
PERSON = (255, 0, 255)
MARGIN, HOLD = 6, 3
QUIET = ("max_age:=60.0", f"margin_px:={MARGIN}", f"hold_frames:={HOLD}", "max_gap:=0.0")


class Eye:
    """A model that sees exactly the colored pixels, until it is told to fail."""

    name, engine, device = "eye", "test", "none"
    offers = Wanted.PERSON | Wanted.CONFIDENCE
    learns_background = False

    def __init__(self) -> None:
        self.fails: Any = None
        self._last: Result | None = None
        self._seen: deque[Result] = deque(maxlen=10)

    def answer_again(self, seen: Result) -> Result:
        """A failure: the answer of the picture before."""
        return seen if self._last is None else self._last

    def answer_late(self, frames: int) -> Any:
        """A failure: the answer of a picture so many frames before."""
        return lambda seen: self._seen[max(0, len(self._seen) - 1 - frames)]

    def warm_up(self) -> None: ...

    def close(self) -> None: ...

    def run(self, plan: Any, frame: Frame, wanted: Wanted) -> Result:
        assert Wanted.PERSON in wanted
        person = colored(frame.image)
        # Where nobody is, a little of what the picture shows there: 0.0001 to 0.001.
        confidence = np.where(person, np.float32(0.99), frame.image[..., 1] * np.float32(5e-6))
        seen = Result(frame.size, person=person.view(np.uint8), confidence=confidence)
        self._seen.append(seen)
        self._last = self.fails(seen) if self.fails else seen
        return self._last


class TellingNode(PrivacyCameraNode):
    """Tells when it is done with a frame."""

    def __init__(self, *arguments: Any) -> None:
        self.done = threading.Semaphore(0)
        super().__init__(*arguments)

    def _process(self, arrival: Any) -> None:
        super()._process(arrival)
        self.done.release()


class Clock:
    """Time that passes when it is told to, ns."""

    def __init__(self) -> None:
        self.now = 10**18

    def __call__(self) -> int:
        return self.now


class Answer(NamedTuple):
    """A picture that the node publishes, raw and as JPEG: (H, W, 3) RGB."""

    stamp: int
    image: np.ndarray
    jpeg: np.ndarray

    @property
    def shows_people(self) -> bool:
        return bool(colored(self.image).any() or colored(self.jpeg).any())


class Camera:
    """Somebody who publishes pictures and listens to the privacy camera, before it is there and after it is gone."""

    def __init__(self) -> None:
        self.bus, self.clock = Bus(), Clock()
        self.tester = FakeGraph("tester", self.bus)
        self.raw: list[Any] = []
        self.packed: list[Any] = []
        self.infos: list[Any] = []
        self.tester.subscribe("/privacy_camera/image", IMAGE, DEEP, self.raw.append)
        self.tester.subscribe("/privacy_camera/image/compressed", COMPRESSED, DEEP, self.packed.append)
        self.tester.subscribe("/privacy_camera/camera_info", CAMERA_INFO, DEEP, self.infos.append)
        self._publisher = self.tester.publisher("/image", IMAGE, LATCHED)

    @contextmanager
    def node(self, eye: Any, *parameters: str, opens: Any = None) -> Iterator[TellingNode]:
        arguments = [word for text in parameters for word in ("-p", text)]
        self.graph = FakeGraph("privacy_camera", self.bus, ["--ros-args", *arguments])
        self.graph.now_ns = self.clock  # type: ignore[method-assign]
        self.running = node = TellingNode(self.graph, opens or (lambda plan: eye))
        node.configure()
        node.activate()
        try:
            yield node
        finally:
            node.deactivate()
            node.cleanup()
            self.graph.close()

    def message(self, picture: np.ndarray, age_s: float = 0.0) -> Any:
        header = header_of(self.tester.messages, self.clock.now - int(age_s * 1e9), "lens")
        return image_message(self.tester.messages, header, picture, "rgb8")

    def send(self, message: Any) -> None:
        self._publisher.publish(message)
        self.graph.spin_once()

    @property
    def problems(self) -> int:
        """Frames that the node could not show, so far."""
        totals = self.running.diagnostics.totals
        return totals["bad_frames"] + totals["errors"]

    def answers(self, message: Any) -> list[Answer]:
        """The pictures that come of a message."""
        self.raw.clear()
        self.packed.clear()
        self.send(message)
        assert self.running.done.acquire(timeout=PATIENCE_S)
        self.tester.spin_once()
        assert [one.header.stamp for one in self.raw] == [one.header.stamp for one in self.packed]
        return [
            Answer(stamp_ns(raw.header), read_image(raw).image, read_compressed(packed).image)
            for raw, packed in zip(self.raw, self.packed, strict=True)
        ]

    def shown(self, message: Any) -> np.ndarray:
        """The picture that comes of a message, where none is delayed."""
        (answer,) = self.answers(message)
        assert answer.stamp == stamp_ns(message.header)
        assert not answer.shows_people
        return answer.image

    def settle(self, picture: np.ndarray) -> np.ndarray:
        """The first picture that is shown, after those that are looked at before."""
        for _ in range(HOLD):
            assert is_blank(self.shown(self.message(picture)))
        return self.shown(self.message(picture))


def colored(image: np.ndarray) -> np.ndarray:
    """Where a person, or a trace of one, is to be seen."""
    return np.abs(image[..., 0].astype(np.int16) - image[..., 1]) > 8


def is_blank(image: np.ndarray) -> bool:
    """No pixel of the scene, whose grays are 100 to 200 without the cover's 96: ground and letters alone."""
    return np.count_nonzero(image == 32) > image.size / 2


def scene(left: int | None, size: tuple[int, int] = (32, 48)) -> np.ndarray:
    """Gray noise, and a person 8 px wide from column `left`."""
    image = empty_room(size).copy()
    if left is not None:
        image[2:20, left : left + 8] = PERSON
    return image


@lru_cache
def empty_room(size: tuple[int, int]) -> np.ndarray:
    gray = np.random.default_rng(size[0]).integers(100, 200, (*size, 1), np.uint8)
    return np.repeat(gray, 3, axis=2)


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


def test_ten_thousand_frames_with_every_failure_at_random_show_no_person() -> None:
    chance, camera, eye, counts = random.Random(3), Camera(), Eye(), Counter[str]()
    saboteur = Saboteur()

    def late(seen: Result) -> Result:
        camera.clock.now += 61 * 10**9
        return seen

    failures = {
        "engine raises": raising(EngineError("The network did not run.")),
        "something else raises": raising(ZeroDivisionError()),
        "mask late": late,
        "mask of another size": lambda seen: Result((16, 24), person=np.zeros((16, 24), np.uint8)),
        "no mask": lambda seen: replace(seen, person=None),
    }
    failures |= {f"answers {kind}": answering(change) for kind, change in BROKEN.items()}
    failed_kinds = {*failures, "stale", "cut short"}
    # These are failures to the node where the answer is the last one's, bit for bit.
    late_kinds = {f"mask of {frames} frames before": eye.answer_late(frames) for frames in (1, 2, 3)}
    late_kinds["answers as before"] = eye.answer_again
    failures |= late_kinds
    failures["misses"] = lambda seen: replace(seen, person=np.zeros(seen.size, np.uint8))
    kinds = [*failures, "stale", "cut short", "effect raises", "resized", "misses", "fine"]
    left, step, size, frames = 10, 1, (32, 48), 0
    while frames < 10_000:
        broken, delay = chance.random() < 0.2, chance.choice([0, 0, 1, 3])
        opens = raising(ModelNotFoundError("There is no such model.")) if broken else None
        with camera.node(eye, *QUIET, f"delay_frames:={delay}", opens=opens) as node:
            node._effects = (BlurBackground(BlurBackgroundSettings(sigma_px=1)), saboteur)
            late_now = False
            looked_at, waiting = 0, []  # frames since the last failure; those not published yet: (stamp, how many)
            for kind in plan(chance, kinds, 5 if broken else 400):
                frames += 1
                camera.clock.now += 10**7
                step = step if left + step in range(41) else -step
                left += step
                before, size = size, (40, 48) if kind == "resized" else (32, 48)
                eye.fails, saboteur.raises = failures.get(kind), kind == "effect raises" and len(waiting) >= delay
                message = camera.message(scene(left, size), age_s=61 if kind == "stale" else 0)
                if kind == "cut short":
                    message.data = message.data[:100]
                problems = camera.problems
                answers = camera.answers(message)
                failed = camera.problems > problems
                was_late, late_now = late_now, kind in late_kinds
                if not (was_late or late_now):
                    resized = before != size and looked_at > 0
                    assert failed == (broken or resized or kind in failed_kinds or saboteur.raises), (frames, kind)
                looked_at = 0 if failed else looked_at + 1
                waiting.append((stamp_ns(message.header), looked_at))
                answered = waiting if failed else waiting[: max(0, len(waiting) - delay)]
                waiting = waiting[len(answered) :]
                assert [answer.stamp for answer in answers] == [stamp for stamp, _ in answered], (frames, kind)
                for answer, (_, count) in zip(answers, answered, strict=True):
                    assert not answer.shows_people, (frames, kind)
                    dark = is_blank(answer.image)
                    assert dark == (failed or count <= HOLD), (frames, kind)
                    counts[f"{kind}, {'dark' if dark else 'shown'}"] += 1
            if not broken:
                with pytest.raises(SettingsError, match="read at start"):
                    camera.graph.set_parameters({"segmentation_threshold": 0.5})
    assert counts["fine, shown"] > 2_000, counts
    assert counts["misses, shown"] > 300, counts
    assert counts["mask of 3 frames before, shown"] > 30, counts


#: Person logits of an engine that does not work, from those of one that does.
BROKEN = {
    "zeros": lambda logits: logits * 0,
    "one value": lambda logits: np.full_like(logits, -3.5),
    "one value but for noise": lambda logits: -3.5 + 1e-5 * np.sin(np.arange(logits.size)).reshape(logits.shape),
    "out of range": lambda logits: logits - 60,
    "further off": lambda logits: logits - 1e6,
    "not a number": lambda logits: logits * np.nan,
    "on another scale": lambda logits: logits / 1000,
}


def answering(change: Any) -> Any:
    """A mask by the node's threshold, of broken logits."""

    def fail(seen: Result) -> Result:
        logits = np.log(seen.confidence.astype(np.float64) / (1 - seen.confidence))
        with np.errstate(over="ignore"):
            confidence = (1 / (1 + np.exp(-change(logits)))).astype(np.float32)
        return replace(seen, person=(confidence > 0.7).view(np.uint8), confidence=confidence)

    return fail


def plan(chance: random.Random, kinds: list[str], most: int) -> Iterator[str]:
    """What happens to each frame until the node ends: mostly nothing, failures of any length, people missed."""
    for _ in range(chance.randrange(most)):
        kind = chance.choices(kinds, [1] * (len(kinds) - 2) + [5, 90])[0]
        lasts = {"misses": HOLD, "fine": 1}.get(kind, 20)
        yield from [kind] * chance.randint(1, lasts)
        if kind == "misses":
            yield "fine"  # seen again, or else it would be more frames than are held
        elif kind != "fine" and chance.random() < 0.5:
            yield from ["misses", "fine"]


def raising(error: Exception) -> Any:
    def fail(given: Any) -> Any:
        raise error

    return fail


class Saboteur(Effect):
    """An effect that hands on what it is given: everything it could show."""

    needs = Wanted.PERSON

    def __init__(self) -> None:
        self.raises = False

    def compose(self, frame: Frame, result: Result) -> np.ndarray:
        if self.raises:
            raise MemoryError
        return frame.image


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
