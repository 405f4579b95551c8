"""One engine in several threads, and after a fork."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from bodyseg_ros.engines import open_engine
from bodyseg_ros.errors import EngineError
from bodyseg_ros.formats import ModelSource
from engines import small

FILES = {"litert": small.tflite, "onnxruntime": small.onnx, "openvino": small.tflite, "tensorflow": small.frozen}
PACKAGES = {"onnxruntime": ("onnx", "onnxruntime"), "openvino": ("openvino",)}
PHOTOS = 35


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@lru_cache
def source_for(engine: str, folder: Path) -> ModelSource:
    for package in PACKAGES.get(engine, ()):
        pytest.importorskip(package)
    return FILES[engine](folder) if engine in FILES else ModelSource(Path(), "none")


@pytest.mark.parametrize("name", [*FILES, "fake", "passthrough"])
def test_each_of_four_threads_gets_the_results_of_its_own_photos(name: str, folder: Path) -> None:
    engine = open_engine(name, source_for(name, folder), {})
    # Two sizes, so that photos of one follow photos of another.
    photos = [small.picture(33, (33, 49)[number % 2], seed=number) for number in range(4 * PHOTOS)]
    alone = [copied(engine.run(photo)) for photo in photos]
    together: dict[int, Mapping[str, np.ndarray]] = {}

    def work(thread: int) -> None:
        for number in range(thread, len(photos), 4):
            together[number] = copied(engine.run(photos[number]))

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sorted(together) == list(range(len(photos)))
    for number, expected in enumerate(alone):
        for head, array in expected.items():
            np.testing.assert_array_equal(together[number][head], array, err_msg=f"photo {number}, {head}")


def copied(outputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {head: array.copy() for head, array in outputs.items()}


def test_closing_waits_for_the_pass_in_hand_and_refuses_the_next(folder: Path) -> None:
    engine = open_engine("litert", source_for("litert", folder), {}, 1)
    failures: list[str] = []

    def work() -> None:
        try:
            while True:
                engine.run(small.picture(33, 33))
        except EngineError as err:
            failures.append(str(err))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    engine.close()
    for thread in threads:
        thread.join(60)
    assert len(failures) == 3
    assert all("litert is closed" in failure for failure in failures)


FORK = """
import os, signal, sys
from pathlib import Path
import numpy as np
from bodyseg_ros.engines import open_engine
from bodyseg_ros.errors import EngineError
from bodyseg_ros.formats import ModelSource

name, path, kind, picture = sys.argv[1], Path(sys.argv[2]), sys.argv[3], np.zeros((1, 33, 33, 3), np.float32)
engine = open_engine(name, ModelSource(path, kind), {}, 2)
first = engine.run(picture)
child = os.fork()
if child == 0:
    signal.alarm(60)  # a hang ends the child, and the test
    for attempt in (lambda: engine, lambda: open_engine(name, ModelSource(path, kind), {}, 2)):
        try:
            print(len(attempt().run(picture)), flush=True)
        except EngineError as err:
            print(err, flush=True)
    engine.close()
    os._exit(0)
_, status = os.waitpid(child, 0)
print(status, len(first) == len(engine.run(picture)))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize("name", [*FILES, "fake"])
def test_after_a_fork_it_says_at_once_to_load_the_model_there(name: str, folder: Path) -> None:
    source = source_for(name, folder)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK, name, str(source.path), source.format],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    said = done.stdout.splitlines()
    assert len(said) == 3, done.stdout + done.stderr
    assert f"engine {name} was opened in process" in said[0] and "after forking" in said[0]
    if name in ("tensorflow", "openvino"):  # their threads stayed with the parent
        assert f"engine {name} was used in process" in said[1] and "'spawn'" in said[1]
    else:
        assert int(said[1]) >= 2
    assert said[2] == "0 True"
