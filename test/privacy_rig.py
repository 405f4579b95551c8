"""A privacy camera under test: a network that sees colored pixels, a camera, and failures of every kind at random."""

from __future__ import annotations

import random
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from bodyseg_ros.effects import Effect
from bodyseg_ros.effects.background import BlurBackground, BlurBackgroundSettings
from bodyseg_ros.errors import EngineError, ModelNotFoundError, SettingsError
from bodyseg_ros.ros.graph.fake_graph import Bus, FakeGraph
from bodyseg_ros.ros.graph.headers import stamp_ns
from bodyseg_ros.ros.graph.image_messages import image_message, read_compressed, read_image
from bodyseg_ros.ros.graph.qos import LATCHED, Qos
from bodyseg_ros.ros.nodes.privacy_camera import PrivacyCameraNode
from bodyseg_ros.types import Frame, Result, Wanted

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED, CAMERA_INFO = "sensor_msgs/msg/CompressedImage", "sensor_msgs/msg/CameraInfo"
DEEP = Qos(depth=100)
PATIENCE_S = 20.0
#: People alone are colored; everything else in these tests is gray.
PERSON = (255, 0, 255)
MARGIN, HOLD = 6, 3
QUIET = ("max_age:=60.0", f"margin_px:={MARGIN}", f"hold_frames:={HOLD}", "max_gap:=0.0")


def header_of(messages: Any, stamp: int, frame_id: str) -> Any:
    time_of = messages.make("builtin_interfaces/msg/Time", sec=stamp // 10**9, nanosec=stamp % 10**9)
    return messages.make("std_msgs/msg/Header", stamp=time_of, frame_id=frame_id)


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
    def fail(*given: Any) -> Any:
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


class Torture:
    """A camera on which failures come at random, and checks of each picture that it publishes.

    counts: pictures that were published, by what went wrong and whether they were dark or shown. injected: failures so
    far. leaks: pictures in which a person is to be seen.
    """

    def __init__(self, seed: int) -> None:
        self._chance, self._camera, self._eye, self._saboteur = random.Random(seed), Camera(), Eye(), Saboteur()
        self.counts, self.injected, self.leaks = Counter[str](), 0, 0
        self._failures: dict[str, Any] = {
            "engine raises": raising(EngineError("The network did not run.")),
            "something else raises": raising(ZeroDivisionError()),
            "mask too late": self._take_too_long,
            "mask of another size": lambda seen: Result((16, 24), person=np.zeros((16, 24), np.uint8)),
            "no mask": lambda seen: replace(seen, person=None),
        }
        self._failures |= {f"answers {kind}": answering(change) for kind, change in BROKEN.items()}
        self._failed_kinds = {*self._failures, "stale", "cut short"}
        # These are failures to the node where the answer is the last one's, bit for bit.
        self._late_kinds = {f"mask of {frames} frames before": self._eye.answer_late(frames) for frames in (1, 2, 3)}
        self._late_kinds["answers as before"] = self._eye.answer_again
        self._failures |= self._late_kinds
        self._failures["misses"] = lambda seen: replace(seen, person=np.zeros(seen.size, np.uint8))
        others = ["stale", "cut short", "effect raises", "resized", "threshold 1.0 set", "misses", "fine"]
        self._kinds = [*(kind for kind in self._failures if kind != "misses"), *others]
        self._left, self._step, self._size = 10, 1, (32, 48)

    def run(self, count: int) -> Counter[str]:
        """Inject so many failures. Raises AssertionError, with frame and kind, if a picture is not as it must be."""
        while self.injected < count:
            self._one_node()
        return self.counts

    def _take_too_long(self, seen: Result) -> Result:
        self._camera.clock.now += 61 * 10**9
        return seen

    def _one_node(self) -> None:
        """From the start of a node to its end."""
        chance, camera = self._chance, self._camera
        self._start_with_threshold_1()
        broken, delay = chance.random() < 0.2, chance.choice([0, 0, 1, 3])
        opens = raising(ModelNotFoundError("There is no such model.")) if broken else None
        with camera.node(self._eye, *QUIET, f"delay_frames:={delay}", opens=opens) as node:
            node._effects = (BlurBackground(BlurBackgroundSettings(sigma_px=1)), self._saboteur)
            was_late, looked_at = False, 0  # frames since the last failure
            waiting: list[tuple[int, int]] = []  # those not published yet: (stamp, looked_at)
            for kind in plan(chance, self._kinds, 5 if broken else 400):
                self.injected += kind != "fine" or broken
                before = self._size
                raises = self._saboteur.raises = kind == "effect raises" and len(waiting) >= delay
                message = self._next_message(kind)
                problems = camera.problems
                answers = camera.answers(message)
                failed = camera.problems > problems
                at = f"failure {self.injected}, {kind}"
                late = kind in self._late_kinds
                if not (was_late or late):
                    resized = before != self._size and looked_at > 0
                    assert failed == (broken or resized or kind in self._failed_kinds or raises), at
                was_late, looked_at = late, 0 if failed else looked_at + 1
                waiting.append((stamp_ns(message.header), looked_at))
                answered = waiting if failed else waiting[: max(0, len(waiting) - delay)]
                waiting = waiting[len(answered) :]
                assert [answer.stamp for answer in answers] == [stamp for stamp, _ in answered], at
                for answer, (_, frames) in zip(answers, answered, strict=True):
                    self._check(answer, "model missing" if broken else kind, failed or frames <= HOLD, at)

    def _next_message(self, kind: str) -> Any:
        """The next picture, in which the person has moved, and what goes wrong with it."""
        camera = self._camera
        camera.clock.now += 10**7
        self._step = self._step if self._left + self._step in range(41) else -self._step
        self._left += self._step
        self._size = (40, 48) if kind == "resized" else (32, 48)
        self._eye.fails = self._failures.get(kind)
        message = camera.message(scene(self._left, self._size), age_s=61 if kind == "stale" else 0)
        if kind == "cut short":
            message.data = message.data[:100]
        if kind == "threshold 1.0 set":
            for value, reason in ((1.0, "from 0 to 0.9"), (0.9, "read at start")):
                refused(reason, lambda value=value: camera.graph.set_parameters({"segmentation_threshold": value}))
        return message

    def _check(self, answer: Answer, kind: str, dark: bool, at: str) -> None:
        self.leaks += answer.shows_people
        assert not answer.shows_people, f"a person is to be seen: {at}"
        assert is_blank(answer.image) == dark, at
        self.counts[f"{kind}, {'dark' if dark else 'shown'}"] += 1

    def _start_with_threshold_1(self) -> None:
        graph = FakeGraph("privacy_camera", self._camera.bus, ["--ros-args", "-p", "segmentation_threshold:=1.0"])
        refused("segmentation_threshold is 1.0", lambda: PrivacyCameraNode(graph, lambda plan: self._eye))
        graph.close()
        self.injected += 1
        self.counts["started with threshold 1.0, refused"] += 1


def refused(reason: str, act: Callable[[], Any]) -> None:
    said = "nothing"
    try:
        act()
    except SettingsError as err:
        said = str(err)
    assert reason in said, f"it was to be refused with {reason!r}, but what was said is: {said}"
