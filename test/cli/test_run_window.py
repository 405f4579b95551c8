"""The window of `bodyseg run --show`: without one, and on a display of its own with keys held and sliders moved.

The display needs Xvfb and xdotool (apt), and OpenCV with windows in a folder that BODYSEG_OPENCV_WINDOWS names;
`make setup` installs it where there is an Xvfb.
"""

from __future__ import annotations

import itertools
import os
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from bodyseg_ros.cli.main import app
from bodyseg_ros.errors import MissingDependencyError, SettingsError

ROOT = Path(__file__).resolve().parents[2]
OPENCV = Path(os.environ.get("BODYSEG_OPENCV_WINDOWS", Path(sys.prefix) / "opencv-windows"))
FAKE = ["--engine", "fake"]
PATIENCE_S = 60.0
SCREEN_PX = 700
#: Colors of the photo, RGB, and of the backgrounds.
GRAY, RED, BLUE = (120, 120, 120), (200, 30, 30), (30, 30, 220)
Color = tuple[int, int, int]
#: The command, which also notes what its sliders change.
PROGRAM = """
from bodyseg_ros.cli.main import main
from bodyseg_ros.model import Model

configure = Model.configure
def note(model, **values):
    with open("configured.txt", "a") as file:
        file.write(f"{values}\\n")
    configure(model, **values)
Model.configure = note
main()
"""


def run(*arguments: object) -> None:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if done.exception is not None:
        raise done.exception
    assert done.exit_code == 0, done.output


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    ramp = np.linspace(0, 255, 160, dtype=np.uint8)[None, :, None]
    cv2.imwrite(str(tmp_path / "a.png"), np.broadcast_to(ramp, (120, 160, 3)))
    return tmp_path / "a.png"


def test_no_window_where_there_is_none(tmp_path: Path, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def headless(*_: object) -> None:
        raise cv2.error("The function is not implemented.")

    monkeypatch.setattr(cv2, "namedWindow", headless)
    with pytest.raises(MissingDependencyError, match="pip install 'opencv-python>=4.8,<5'"):
        run("run", photo, "--show", *FAKE)


@pytest.fixture
def window(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A window that is not there: it gets `keys`, its sliders stand at `places`, and it notes what it shows."""
    window = SimpleNamespace(keys="", places={}, shown=[], titles=[], ranges={})

    def create(title: str, _: str, place: int, high: int, changed: object) -> None:
        window.places.setdefault(title, place)
        window.ranges[title] = high

    def write(image: np.ndarray, text: str, *_: object) -> None:
        window.titles.append(text)

    def key(_: int) -> int:
        pressed, window.keys = window.keys[0], window.keys[1:]
        if pressed.isdigit():
            window.places["threshold %"] = 11 * int(pressed)
        return ord(pressed)

    for name in ("namedWindow", "setTrackbarMin", "destroyAllWindows"):
        monkeypatch.setattr(cv2, name, lambda *_: None)
    monkeypatch.setattr(cv2, "createTrackbar", create)
    monkeypatch.setattr(cv2, "getTrackbarPos", lambda title, _: window.places[title])
    monkeypatch.setattr(cv2, "putText", write)
    monkeypatch.setattr(cv2, "imshow", lambda _, image: window.shown.append(image.copy()))
    monkeypatch.setattr(cv2, "waitKey", key)
    monkeypatch.setattr(cv2, "getWindowProperty", lambda *_: 1.0)
    return window


def test_keys_and_slider_of_the_window(
    tmp_path: Path, photo: Path, window: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """n and p change the effect, the slider the mask, w writes, space goes to the next photo, q ends."""
    monkeypatch.chdir(tmp_path)
    window.keys = "npw9w q"
    effects = ("--effect", "anonymize", "--anonymize.color", "[0, 0, 0]", "--anonymize.margin", 0)
    run("run", photo, photo, "--show", *effects, *FAKE)
    assert len(window.shown) == 7
    assert (window.shown[0] != window.shown[1]).any() and (window.shown[0] == window.shown[2]).all()
    saved = [(cv2.imread(str(tmp_path / f"bodyseg_{number}.png")) == 0).all(axis=2).sum() for number in (1, 2)]
    assert saved[0] > saved[1]  # at 0.99 less is taken for a person


def test_a_tapped_key_shows_its_effects_for_a_while(
    photo: Path, window: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each reading of the clock is 0.05 s later; a tap is on for 0.8 s."""
    clock = itertools.count(0, 0.05)
    monkeypatch.setattr("bodyseg_ros.cli.run_window.time", SimpleNamespace(monotonic=lambda: next(clock)))
    chains = {
        "c": "virtual_background + color_transfer",
        "s": "seamless_clone",
        "m": "smooth_step + virtual_background",
        "h": "virtual_background + harmonize",
    }
    for key, chain in chains.items():
        window.titles.clear()
        window.keys = key + 40 * "." + "q"
        run("run", photo, "--show", "--effect", "mirror", *FAKE)
        titles = window.titles[::6]
        assert (titles[0], titles[-1], titles[1]) == ("mirror", "mirror", chain)
        assert 4 < titles.count(chain) < 20


def test_a_held_key_whose_effect_lacks_something_says_so(photo: Path, window: SimpleNamespace) -> None:
    window.keys = "h.q"
    run("run", photo, "--show", "--effect", "mirror", "--harmonize.model-path", "none.onnx", *FAKE)
    assert "none.onnx" in window.titles[6]
    assert (window.shown[1] == window.shown[0]).all()


def test_sliders_start_at_the_parameters_and_have_their_ranges(photo: Path, window: SimpleNamespace) -> None:
    window.keys = "q"
    chosen = ("--segmentation-threshold", 0.625, "--refine.smoothing", 0.3, "--frame-skip", 4)
    run("run", photo, "--show", "--background", photo.parent, *chosen, *FAKE)
    assert window.places == {"threshold %": 62, "smoothing %": 30, "frame skip": 4, "background": 1}
    assert window.ranges == {"threshold %": 100, "smoothing %": 98, "frame skip": 60, "background": 1}
    assert window.titles[0] == "virtual_background"


def test_a_background_for_no_window_is_refused(tmp_path: Path, photo: Path) -> None:
    with pytest.raises(SettingsError, match="add --show"):
        run("run", photo, "--background", photo, *FAKE)
    (tmp_path / "empty").mkdir()
    for name in ("empty", "none.png"):
        with pytest.raises(SettingsError, match=f"--background is '.*{name}'.*folder of photos"):
            run("run", photo, "--show", "--background", tmp_path / name, *FAKE)


class Desk:
    """A screen with the window on it, a keyboard and a mouse."""

    def __init__(self, folder: Path, arguments: list[str]) -> None:
        self._folder, self._stack = folder, ExitStack()
        reading, writing = os.pipe()
        # Without -noreset the server starts anew when xdotool leaves as its last client.
        screen = [
            "-noreset",
            "-screen",
            "0",
            f"{SCREEN_PX}x{SCREEN_PX}x24",
            "-fbdir",
            str(folder),
            "-displayfd",
            str(writing),
        ]
        self._start(["Xvfb", *screen], os.environ, pass_fds=(writing,))
        os.close(writing)
        with os.fdopen(reading) as number:
            display = f":{number.readline().strip()}"
        path = os.pathsep.join([str(OPENCV), str(ROOT)])
        self._env = os.environ | {"DISPLAY": display, "PYTHONPATH": path, "PYTHONSAFEPATH": "1"}
        command = [sys.executable, "-c", PROGRAM, "run", *arguments, "--show"]
        self.program = self._start(command, self._env, cwd=folder)

    def _start(self, command: list[str], env: dict[str, str], **options: object) -> subprocess.Popen[bytes]:
        said = self._stack.enter_context((self._folder / "said.txt").open("ab"))
        program = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=said, **options)
        self._stack.callback(program.wait)
        self._stack.callback(program.terminate)
        return program

    def close(self) -> None:
        self._stack.close()

    def do(self, *words: object) -> str:
        done = subprocess.run(["xdotool", *map(str, words)], env=self._env, capture_output=True, text=True)
        return done.stdout

    def focus(self) -> None:
        """Wait for the window and point the keyboard at it: there is no window manager."""
        self.wait(lambda: self.do("search", "--onlyvisible", "--name", "bodyseg"))
        self.wait(lambda: (self.screen() > 0).any())
        window = self.do("search", "--onlyvisible", "--name", "bodyseg").split()[-1]
        self.do("windowsize", window, SCREEN_PX, SCREEN_PX)
        self.do("windowfocus", window)

    def screen(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB, from Xvfb's memory: X window dump, version 7."""
        dump = (self._folder / "Xvfb_screen0").read_bytes()
        header = struct.unpack(">25I", dump[:100])
        start = header[0] + 12 * header[19]
        pixels = np.frombuffer(dump, np.uint8, offset=start).reshape(SCREEN_PX, SCREEN_PX, 4)
        return pixels[..., 2::-1]

    def share(self, color: Color) -> float:
        """Share of the screen in a color, within 12 of 255."""
        return float((np.abs(self.screen().astype(int) - color).max(axis=2) <= 12).mean())

    def wait(self, condition: Callable[[], object]) -> None:
        end = time.monotonic() + PATIENCE_S
        while not condition():
            said = (self._folder / "said.txt").read_text()
            assert self.program.poll() is None, said
            assert time.monotonic() < end, said
            time.sleep(0.05)

    def to_end(self, row: int, key: str = "End") -> None:
        """Move a slider, counted from below, to an end of its way: a click gives it the keyboard."""
        self.do("mousemove", SCREEN_PX - 30, SCREEN_PX - 38 - 25 * row, "click", 1)
        self.do("key", key)

    @property
    def configured(self) -> str:
        """What the sliders gave the model so far."""
        return (self._folder / "configured.txt").read_text()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A photo of a drawn person before a red background, in the window."""
    for program in ("Xvfb", "xdotool"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is missing: apt install xvfb xdotool")
    if not (OPENCV / "cv2").is_dir():
        pytest.skip(f"no OpenCV with windows: pip install --no-deps --target {OPENCV} 'opencv-python>=4.8,<5'")
    for name, color in (("photo", GRAY), ("a_red", RED), ("b_blue", BLUE)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((300, 400, 3), color[::-1], np.uint8))
    for name in ("said.txt", "configured.txt"):
        (tmp_path / name).touch()
    backgrounds = [word for name in ("a_red.png", "b_blue.png") for word in ("--background", name)]
    there = Desk(tmp_path, ["photo.png", *FAKE, *backgrounds, "--smooth-step.low", "0.95"])
    try:
        there.focus()
        yield there
    finally:
        there.close()


def test_keys_are_on_while_they_are_held(desk: Desk) -> None:
    desk.wait(lambda: desk.share(RED) > 0.2)
    person = desk.share(GRAY)
    assert person > 0.02
    changes = {
        "c": lambda: desk.share(GRAY) < person / 4,  # the person takes on the background's color
        "s": lambda: desk.share(GRAY) < person / 4,  # so does a plain one that is cloned without a seam
        "m": lambda: desk.share(GRAY) < 0.95 * person,  # what is less sure than 0.95 is gone
    }
    for key, changed in changes.items():
        desk.do("keydown", key)
        desk.wait(changed)
        time.sleep(1.5)  # longer than a key stays on that is only tapped
        assert changed(), key
        desk.do("keyup", key)
        desk.wait(lambda: desk.share(GRAY) == person)
    desk.do("key", "q")
    assert desk.program.wait(PATIENCE_S) == 0


def test_sliders_change_parameters_and_the_background(desk: Desk) -> None:
    desk.wait(lambda: desk.share(RED) > 0.2)
    person = desk.share(GRAY)
    desk.to_end(0)
    desk.wait(lambda: desk.share(BLUE) > 0.2)
    assert desk.share(RED) < 0.01
    desk.to_end(1)
    desk.wait(lambda: "{'frame_skip': 60}" in desk.configured)
    desk.to_end(2)
    desk.wait(lambda: "{'refine.smoothing': 0.98}" in desk.configured)
    desk.to_end(3)
    desk.wait(lambda: desk.share(GRAY) < person / 10)  # nobody is seen above a threshold of 1
    desk.to_end(3, "Home")
    desk.wait(lambda: desk.share(GRAY) > 2 * person)  # and everything above 0
    assert desk.share(BLUE) < 0.01
