"""Time the network alone and every step around it, in one run."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..effects import Effect, compose_all
from ..model import Model
from ..plugins import load_plugin
from ..tracking import PeopleFollower
from ..types import Frame, Wanted
from .processes import usage

__all__ = ["StageTimes", "StepTimes", "STAGES", "time_steps"]

_MASK: Final = Wanted.PERSON
_LEVELS: Final = {
    "mask": _MASK,
    "+ parts": _MASK | Wanted.PARTS,
    "+ poses": _MASK | Wanted.PARTS | Wanted.POSES,
    "+ everyone": _MASK | Wanted.PARTS | Wanted.POSES | Wanted.INSTANCES,
    "+ confidence": Wanted.EVERYTHING,
}
_BARE: Final = "bare network"
#: Steps plotted against people and pixels.
STAGES: Final = ("prepare", *(f"decode {name}" for name in _LEVELS))
_WARM_UP: Final = 3
Steps = dict[str, Callable[[], Any]]


@dataclass(frozen=True)
class StageTimes:
    """One step's time, ms per call.

    ratio: its median to the network's.
    """

    stage: str
    p50_ms: float
    p95_ms: float
    p99_ms: float
    cpu_ms: float
    ratio: float


@dataclass(frozen=True)
class StepTimes:
    """All steps on one frame.

    pasted: people pasted into it, None for the photo itself. people: number detected. resident_mb: the process's memory
    afterwards, NaN if unknown.
    """

    width: int
    height: int
    pasted: int | None
    people: int
    device: str
    resident_mb: float
    stages: list[StageTimes]


def time_steps(
    model: Model, frame: Frame, pasted: int | None, runs: int, show: Callable[[Sequence[int]], Iterable[int]] = iter
) -> StepTimes:
    """Time every step in each of `runs` rounds, so that a slowdown affects all steps.

    show: draws the rounds' progress.
    """
    steps = _steps(model, frame) | _around(model, frame)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in steps}
    for _ in range(_WARM_UP):
        for step in steps.values():
            step()
    for _ in show(range(runs)):
        for name, step in steps.items():
            wall, cpu = time.perf_counter(), time.process_time()
            step()
            times[name].append((1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - cpu)))
    bare = float(np.median([wall for wall, _ in times[_BARE]]))
    stages = []
    for name, pairs in times.items():
        walls, cpus = np.transpose(pairs)
        p50, p95, p99 = (float(value) for value in np.percentile(walls, (50, 95, 99)))
        stages.append(StageTimes(name, p50, p95, p99, float(cpus.mean()), p50 / bare))
    poses = model.run(frame, Wanted.POSES).poses
    seen = len(poses) if poses else 0
    return StepTimes(frame.size[1], frame.size[0], pasted, seen, model.engine.device, _resident_mb(), stages)


def _steps(model: Model, frame: Frame) -> Steps:
    """Make one function per step of Model.steps, and one that runs all steps."""
    prepared = model.network.prepare(frame)
    outputs: dict[str, NDArray[Any]] = {
        name: np.array(array) for name, array in model.engine.run(prepared.tensor).items()
    }

    def decode(wanted: Wanted) -> Callable[[], Any]:
        return lambda: model.network.decode(outputs, prepared, wanted)

    def total(wanted: Wanted) -> Callable[[], Any]:
        return lambda: model.run(frame, wanted)

    steps: Steps = {
        _BARE: lambda: model.engine.run(prepared.tensor),
        "prepare": lambda: model.network.prepare(frame),
    }
    steps |= {f"decode {name}": decode(wanted) for name, wanted in _LEVELS.items()}
    return steps | {f"total {name}": total(wanted) for name, wanted in _LEVELS.items()}


def _around(model: Model, frame: Frame) -> Steps:
    """Make one function per step around the model: effects, and messages if ROS 2's types are installed."""
    result = model.run(frame, Wanted.EVERYTHING)
    steps: Steps = {}
    if result.poses is not None:
        follower = PeopleFollower(model.following)
        steps["tracking"] = lambda: follower.follow(frame, result)
    for name in ("overlay", "skeleton"):
        plugin = load_plugin("effects", name)
        effect: Effect = plugin(plugin.Settings())
        if effect.needs in model.offers:
            steps[name] = partial(compose_all, [effect], frame, result)
    try:
        from .graph.image_messages import image_message, read_image
        from .graph.rosbag_types import RosbagMessages
    except ImportError:
        return steps
    messages = RosbagMessages()
    header = messages.make("std_msgs/msg/Header")
    camera = image_message(messages, header, frame.image, "rgb8")
    steps["message to frame"] = lambda: read_image(camera)
    if result.person is not None:
        mask = result.person * np.uint8(255)
        steps["mask to message"] = lambda: image_message(messages, header, mask, "mono8")
        message = image_message(messages, header, mask, "mono8")
        steps["message to DDS bytes"] = lambda: messages.serialize(message, "sensor_msgs/msg/Image")
    return steps


def _resident_mb() -> float:
    try:
        return usage(os.getpid()).resident_mb
    except OSError:
        return float("nan")
