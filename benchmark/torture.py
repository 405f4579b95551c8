"""Break things on purpose, and count what happens: bad messages, parameters, model files, signals, a privacy camera.

    python benchmark/torture.py --messages 10000 --parameters 5000 --models 2000 --signals 20 --privacy 10000

The exit status is 1 where anything was lost: a good frame not served within a second, a frame not counted, an error
that is no sentence of ours, a process that did not end, a person in a picture of the privacy camera. What must hold of
single kinds is in the tests; here the kinds come at random, and a failure prints the seed that repeats it. `make
torture` also runs the tests of downloads from a server that misbehaves.
"""

from __future__ import annotations

import argparse
import logging
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "test"))

from bodyseg_ros.catalog.card import shipped_folder
from bodyseg_ros.errors import BodysegError
from bodyseg_ros.formats import describe, detect
from bodyseg_ros.ros.graph.fake_graph import Bus, FakeGraph
from bodyseg_ros.ros.graph.image_messages import ENCODINGS, image_message
from bodyseg_ros.ros.graph.loopback import private_environment
from bodyseg_ros.ros.graph.qos import LATCHED, Qos
from bodyseg_ros.ros.nodes.bodyseg import BodysegNode
from bodyseg_ros.ros.processes import NodeProcess, usage
from privacy_rig import Torture

IMAGE = "sensor_msgs/msg/Image"
PATIENCE_S = 1.0


class LostError(Exception):
    """Something was lost."""


class Robot:
    """A node of the fake engine on one graph, and somebody who speaks to it and listens on another."""

    def __init__(self, folder: Path, *parameters: str) -> None:
        (folder / "drawn.onnx").touch()
        own = [f"model_path:={folder / 'drawn.onnx'}", "engine:=fake", *parameters]
        bus, arguments = Bus(), [word for text in own for word in ("-p", text)]
        self.graph = FakeGraph("bodyseg", bus, ["--ros-args", *arguments])
        self.peer = FakeGraph("peer", bus)
        self.node = BodysegNode(self.graph)
        self.node.configure()
        self.node.activate()
        self.masks: list[Any] = []
        self.peer.subscribe("/bodyseg/mask", IMAGE, Qos(depth=100), self.masks.append)
        self._out = self.peer.publisher("/image", IMAGE, LATCHED)
        self._served = 0

    def send(self, message: Any) -> None:
        self._out.publish(message)
        self.graph.spin_once()

    def serve_good_frame(self) -> float:
        """Send a frame that is well, and wait for its mask; how long that took, s. Raises LostError."""
        self._served += 1
        stamp = self.peer.messages.make("builtin_interfaces/msg/Time", sec=self._served, nanosec=1)
        header = self.peer.messages.make("std_msgs/msg/Header", stamp=stamp, frame_id="camera")
        began = time.monotonic()
        self.send(image_message(self.peer.messages, header, np.full((120, 160, 3), 128, np.uint8), "rgb8"))
        while not any(mask.header.stamp.sec == self._served for mask in self.masks):
            if time.monotonic() > began + PATIENCE_S:
                raise LostError(f"the good frame {self._served} was not served within {PATIENCE_S:g} s")
            self.peer.spin_once(0.01)
        self.masks.clear()
        return time.monotonic() - began

    def settle(self) -> dict[str, int]:
        """All frames counted, once the worker is through. Raises LostError where some are not."""
        end = time.monotonic() + 20
        while True:
            totals = self.node.diagnostics.totals
            done = sum(count for name, count in totals.items() if name != "frames_in")
            if done == totals["frames_in"]:
                return totals
            if time.monotonic() > end:
                raise LostError(f"{totals['frames_in']} frames came in, but only {done} are accounted for: {totals}")
            self.graph.spin_once(0.01)

    def close(self) -> None:
        self.node.deactivate()
        self.node.cleanup()


def torture_messages(chance: random.Random, count: int, counts: Counter[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        robot = Robot(Path(folder))
        try:
            memory_mb, slowest = 0.0, 0.0
            for number in track(range(count), "messages"):
                kind, message = bad_message(chance, robot.peer.messages)
                counts[f"bad message: {kind}"] += 1
                robot.send(message)
                if chance.random() < 0.2:
                    slowest = max(slowest, robot.serve_good_frame())
                    counts["good frames served"] += 1
                if number == count // 5:
                    memory_mb = usage(os_pid()).resident_mb
            totals = robot.settle()
            grown = usage(os_pid()).resident_mb - memory_mb
            counts["frames counted"] = totals["frames_in"]
            counts["slowest good frame, ms"] = round(slowest * 1e3)
            counts["memory grown over the last four fifths, MB"] = round(grown)
            if grown > 30:
                raise LostError(f"memory grew by {grown:.0f} MB")
        finally:
            robot.close()


def os_pid() -> int:
    import os

    return os.getpid()


def bad_message(chance: random.Random, messages: Any) -> tuple[str, Any]:
    """(what is wrong with it, an Image)."""
    height, width = chance.randrange(1, 60), chance.randrange(1, 80)
    fields: dict[str, Any] = {
        "header": messages.make("std_msgs/msg/Header", frame_id=text_of(chance)),
        "height": height, "width": width, "encoding": "rgb8", "step": width * 3, "is_bigendian": 0,
    }  # fmt: skip
    data = np.frombuffer(chance.randbytes(height * width * 3), np.uint8)
    kind = chance.choice(["encoding", "short data", "step", "zero size", "huge size", "long and thin", "any encoding"])
    if kind == "encoding":
        fields["encoding"] = text_of(chance)
    elif kind == "short data":
        data = data[: chance.randrange(len(data))]
    elif kind == "step":
        fields["step"] = chance.choice([0, 1, width * 3 - 1, 2**31])
    elif kind == "zero size":
        fields[chance.choice(["height", "width"])] = 0
    elif kind == "huge size":
        fields |= {"height": chance.randrange(2**16, 2**32), "width": chance.randrange(2**16, 2**32)}
    elif kind == "long and thin":
        length = chance.randrange(10**5, 10**6)
        fields |= {"height": 1, "width": length, "step": length, "encoding": "mono8"}
        data = np.zeros(length, np.uint8)
    else:  # an encoding that is read, of data made for another
        fields |= {"encoding": chance.choice(list(ENCODINGS)), "is_bigendian": chance.randrange(2)}
    return kind, messages.make(IMAGE, data=messages.pack(data), **fields)


def text_of(chance: random.Random) -> str:
    length = chance.choice([0, 1, 8, 100, 100_000])
    return "".join(chance.choices("ab8 ü\0\n%{}\\[]\U0001f600", k=length))


def torture_parameters(chance: random.Random, count: int, counts: Counter[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        robot = Robot(Path(folder))
        try:
            names = [*robot.graph._parameters.values]
            for _ in track(range(count), "parameters"):
                name = chance.choice(names) if chance.random() < 0.95 else text_of(chance)
                value = value_of(chance)
                try:
                    robot.graph.set_parameters({name: value})
                    counts["parameters taken"] += 1
                except BodysegError as err:
                    counts["parameters refused"] += 1
                    if len(str(err)) > 5000:
                        raise LostError(f"a sentence of {len(str(err))} characters for {name!r}") from err
                robot.graph.set_parameters({"enabled": True})
                if chance.random() < 0.05:
                    robot.serve_good_frame()
                    counts["good frames served"] += 1
        finally:
            robot.close()


def value_of(chance: random.Random) -> Any:
    simple: list[Callable[[], Any]] = [
        lambda: chance.uniform(-2, 2), lambda: chance.randrange(-5, 300), lambda: chance.random() < 0.5,
        lambda: text_of(chance), lambda: float("nan"), lambda: float("inf"), lambda: 10**400, lambda: None,
    ]  # fmt: skip
    if chance.random() < 0.2:
        return [chance.choice(simple)() for _ in range(chance.choice([0, 1, 3, 1000]))]
    return chance.choice(simple)()


def torture_models(chance: random.Random, count: int, counts: Counter[str]) -> None:
    files = [path for path in shipped_folder().glob("*/*") if path.suffix in (".tflite", ".json") and path.is_file()]
    for _ in track(range(count), "model files"):
        victim = chance.choice(files)
        with tempfile.TemporaryDirectory() as folder:
            for beside in victim.parent.glob("*.bin"):
                (Path(folder) / beside.name).symlink_to(beside.resolve())
            path = Path(folder) / victim.name
            path.write_bytes(broken(chance, victim.read_bytes()))
            began = time.monotonic()
            try:
                describe(detect(path, 16))
                counts[f"{victim.suffix} files read"] += 1
            except BodysegError:
                counts[f"{victim.suffix} files refused"] += 1
            if time.monotonic() - began > 20:
                raise LostError(f"{victim.name} took {time.monotonic() - began:.0f} s to be judged")


def broken(chance: random.Random, data: bytes) -> bytes:
    """The bytes with a few of them changed, cut off, or put twice."""
    content = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(min(len(content), chance.choice([64, 4096, len(content)])))
        match chance.randrange(4):
            case 0:
                content[at] = chance.randrange(256)
            case 1:
                content[at : at + 4] = chance.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"])
            case 2:
                del content[at : at + chance.randrange(1, 64)]
            case _:
                content[at:at] = content[at : at + chance.randrange(1, 64)]
    return bytes(content)


def torture_signals(chance: random.Random, count: int, counts: Counter[str]) -> None:
    environment = private_environment()
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "drawn.onnx"
        model.touch()
        for _ in track(range(count), "signals"):
            process = NodeProcess("bodyseg", environment, {"model_path": str(model), "engine": "fake"})
            time.sleep(chance.uniform(0.0, 3.0))
            which = chance.choice([signal.SIGINT, signal.SIGTERM])
            process._process.send_signal(which)
            try:
                status = process._process.wait(15)
            except Exception as err:
                process._process.kill()
                raise LostError(f"a node did not end within 15 s of {which.name}") from err
            counts[f"{which.name}: status {status}"] += 1
            if any("Traceback" in line for line in process._lines):
                raise LostError(f"a traceback after {which.name}:\n" + "\n".join(process._lines[-20:]))


def torture_privacy(chance: random.Random, count: int, counts: Counter[str]) -> None:
    torture = Torture(chance.randrange(2**32))
    logging.disable(logging.ERROR)  # each reason of each node
    try:
        for done in track(range(100, count + 100, 100), "failures of the privacy camera"):
            torture.run(min(done, count))
    except AssertionError as err:
        raise LostError(str(err)) from err
    finally:
        logging.disable(logging.NOTSET)
        counts.update(torture.counts)
        counts["failures injected"] = torture.injected
        counts["published pictures, raw and JPEG, in which a person is to be seen"] = torture.leaks


CAMPAIGNS = {
    "messages": torture_messages,
    "parameters": torture_parameters,
    "models": torture_models,
    "signals": torture_signals,
    "privacy": torture_privacy,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (
        ("messages", 10_000),
        ("parameters", 5_000),
        ("models", 2_000),
        ("signals", 20),
        ("privacy", 10_000),
    ):
        parser.add_argument(f"--{name}", type=int, default=default, help=f"how many; 0 leaves them out [{default}]")
    parser.add_argument("--seed", type=int, default=1, help="of what comes at random [1]")
    options = parser.parse_args()
    console, failed = Console(), False
    for name, torture in CAMPAIGNS.items():
        counts: Counter[str] = Counter()
        if not getattr(options, name):
            continue
        try:
            torture(random.Random(f"{options.seed} {name}"), getattr(options, name), counts)
        except LostError as err:
            failed = True
            console.print(f"LOST in {name}, seed {options.seed}: {err}", style="red", markup=False)
        for line in table(counts):
            console.print(line, markup=False, highlight=False)
    sys.exit(1 if failed else 0)


def table(counts: Counter[str]) -> Iterator[str]:
    for name in sorted(counts):
        yield f"{counts[name]:>9,}  {name}"


if __name__ == "__main__":
    main()
