"""What `bodyseg doctor` looks at: each check yields findings, with the line that mends what is wrong."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from .. import __version__
from ..catalog import SHIPPED_MODEL, card_names, load_card, locate
from ..catalog.card import card_folders
from ..catalog.find import cache_folder
from ..dependencies import install_line
from ..engines import Engine
from ..errors import BodysegError, ModelError, PluginError
from ..kernels import compiled
from ..model import open_model
from ..plan import make_plan
from ..plugins import load_plugin, plugin_names
from ..ros.graph.open_graph import installed_runtimes, open_graph, usual_runtime
from ..settings import Settings
from ..types import Frame
from .topics import Lister, troubles

__all__ = ["CHECKS", "Finding"]

State = Literal["ok", "note", "wrong"]
_KINDS: Final = ("engines", "networks", "effects", "trackers", "sources", "sinks")
#: Extra → a module that it brings, and what it is for.
_EXTRAS: Final[Mapping[str, tuple[str, str]]] = {
    "video": ("av", "videos"),
    "bags": ("rosbags", "bags"),
    "web": ("uvicorn", "the live page"),
    "train": ("pycocotools", "training and evaluation"),
    "fleet": ("distributed", "work on several machines"),
    "remote": ("fsspec", "inputs and outputs on other storage"),
}
_PICTURE: Final = Frame(np.zeros((240, 320, 3), np.uint8))


@dataclass(frozen=True)
class Finding:
    """One check. state: `note` if something is absent but nothing is wrong. mend: what to type or do."""

    topic: str
    state: State
    text: str
    mend: str = ""


def check_installation() -> Iterator[Finding]:
    """Versions, and the optional packages."""
    where = Path(__file__).resolve().parent.parent
    text = f"bodyseg_ros {__version__} in {where}, Python {platform.python_version()}, {platform.machine()}"
    yield Finding("installation", "ok", f"{text}, NumPy {version('numpy')}")
    for extra, (module, what) in _EXTRAS.items():
        if importlib.util.find_spec(module) is None:
            line = install_line(f"bodyseg_ros[{extra}]")
            yield Finding("installation", "note", f"Packages for {what} are not installed.", line)


def check_kernels() -> Iterator[Finding]:
    """Whether the C kernels are there."""
    if compiled.LIBRARY is not None:
        yield Finding("kernels", "ok", "The C kernels are built and loaded.")
        return
    text = "The C kernels are not built, so NumPy decodes many times slower."
    compiler = "" if shutil.which("cc") else "apt install gcc; "
    yield Finding("kernels", "wrong", text, f"{compiler}pip install --force-reinstall --no-deps bodyseg_ros")


def check_plugins() -> Iterator[Finding]:
    """Plugins that cannot be loaded, missing packages aside."""
    for kind in _KINDS:
        for name in plugin_names(kind):
            try:
                load_plugin(kind, name)
            except PluginError as err:  # noqa: PERF203 - plugins are few
                if type(err) is PluginError:
                    yield Finding("plugins", "wrong", str(err), "Update or uninstall the package that brings it.")


def check_engines() -> Iterator[Finding]:
    """Run the shipped model once on every installed engine that reads it."""
    for name in plugin_names("engines"):
        try:
            engine: type[Engine] = load_plugin("engines", name)
        except PluginError as err:
            yield Finding("engines", "note", str(err))
            continue
        if engine.by_name_only or "none" in engine.formats:
            continue
        if not engine.is_available():
            line = install_line(engine.requirement or engine.package)
            yield Finding("engines", "note", f"{name} is not installed.", line)
            continue
        yield _run_engine(name, engine)


def _run_engine(name: str, engine: type[Engine]) -> Finding:
    try:
        with open_model(make_plan({"engine": name}, Settings)) as model:
            model.run(_PICTURE)
            began = time.perf_counter()
            model.run(_PICTURE)
            took_ms = (time.perf_counter() - began) * 1e3
            text = f"{name} runs {model.network.card.name} on {model.engine.device}: {took_ms:.0f} ms for 320×240."
            return Finding("engines", "ok", text)
    except PluginError:  # it reads none of the shipped model's files
        readable = ", ".join(sorted(engine.formats))
        text = f"{name} is installed. It reads {readable}, and {SHIPPED_MODEL} has no such file."
        line = f"bodyseg models convert {SHIPPED_MODEL} --to onnx" if "onnx" in engine.formats else ""
        return Finding("engines", "note", text, line)
    except Exception as err:  # noqa: BLE001 - native packages raise nearly every kind
        text = f"{name} is installed but does not run: {str(err) or type(err).__name__}"
        return Finding("engines", "wrong", text, "Reinstall its package, or choose another with --engine.")


def check_gpu() -> Iterator[Finding]:
    """Whether there is an NVIDIA GPU, and whether TensorFlow sees it."""
    program = shutil.which("nvidia-smi")
    if program is None:
        yield Finding("gpu", "ok", "There is no NVIDIA driver (nvidia-smi), so networks run on the CPU.")
        return
    query = [program, "--query-gpu=name,driver_version", "--format=csv,noheader"]
    asked = subprocess.run(query, capture_output=True, text=True, timeout=20, check=False)
    if asked.returncode:
        reason = (asked.stdout + asked.stderr).strip().partition("\n")[0]
        yield Finding(
            "gpu", "wrong", f"nvidia-smi fails: {reason}", "Reinstall the driver, or start again with it loaded."
        )
        return
    for line in asked.stdout.strip().splitlines():
        yield Finding("gpu", "ok", f"The driver sees {line}.")
    yield _tensorflow_gpu()


def _tensorflow_gpu() -> Finding:
    line = install_line("bodyseg_ros[gpu]")
    if importlib.util.find_spec("tensorflow") is None:
        return Finding("gpu", "note", "TensorFlow, the engine for GPUs, is not installed.", line)
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        return Finding("gpu", "ok", f"TensorFlow {tf.__version__} uses it.")
    if not tf.test.is_built_with_cuda():
        text = f"TensorFlow {tf.__version__} is a build without CUDA."
        return Finding("gpu", "wrong", text, f"pip uninstall tensorflow-cpu; {line}")
    text = f"TensorFlow {tf.__version__} does not find the CUDA libraries of its version."
    return Finding("gpu", "wrong", text, line)


def check_models() -> Iterator[Finding]:
    """Cards, and whose files are on this machine."""
    here, absent = [], []
    for name in card_names():
        try:
            card = load_card(name)
            strides = card.output_strides or (16,)
            found = [
                place.place
                for stride in strides
                for quant in card.quant_bytes
                if (place := locate(card, stride, quant)) is not None
            ]
        except ModelError as err:
            yield Finding("models", "wrong", str(err), "Correct or remove that card.")
            continue
        if found:
            here.append(f"{name} ({found[0]})")
        elif card.format != "none":
            absent.append(name)
    state: State = "ok" if here else "wrong"
    yield Finding("models", state, f"On this machine: {', '.join(here) or 'none'}.")
    if absent:
        yield Finding("models", "ok", f"{len(absent)} more can be downloaded.", "bodyseg models list")


def check_folders() -> Iterator[Finding]:
    """Folders that are searched or written."""
    for folder in card_folders()[:-1]:
        if not folder.is_dir():
            mend = "Correct BODYSEG_MODEL_PATH, or create the folder."
            yield Finding("folders", "wrong", f"{str(folder)!r} in $BODYSEG_MODEL_PATH is not a folder.", mend)
        elif not os.access(folder, os.R_OK | os.X_OK):
            yield Finding("folders", "wrong", f"{str(folder)!r} cannot be read.", f"chmod u+rx {folder}")
    cache = cache_folder()
    there = next(folder for folder in (cache, *cache.parents) if folder.exists())
    if os.access(there, os.W_OK | os.X_OK):
        yield Finding("folders", "ok", f"Downloads are kept in {cache}.")
    else:
        mend = f"chmod u+rwx {there}, or set XDG_CACHE_HOME to a folder of your own."
        yield Finding("folders", "wrong", f"Downloads cannot be kept: {str(there)!r} cannot be written.", mend)


def check_graph() -> Iterator[Finding]:
    """Who is heard by each middleware, and pairs whose QoS does not match."""
    runtimes = installed_runtimes()
    if usual_runtime() == "rclpy":
        runtimes.insert(0, "rclpy")
    for absent in {"dds", "zenoh"} - set(runtimes):
        line = install_line(f"bodyseg_ros[{absent}]")
        yield Finding("ros", "note", f"The runtime {absent} is not installed.", line)
    for runtime in runtimes:
        try:
            yield from _heard(runtime)
        except (BodysegError, OSError) as err:  # noqa: PERF203 - runtimes are few
            yield Finding("ros", "wrong", f"The runtime {runtime} cannot join the graph: {err}")


def _heard(runtime: str) -> Iterator[Finding]:
    if runtime == "zenoh":
        from ..ros.graph.zenoh_session import router_listens

        if not router_listens():
            yield Finding("ros", "note", "zenoh: no router runs here.", "ros2 run rmw_zenoh_cpp rmw_zenohd")
            return
    graph = open_graph("bodyseg_doctor", (), runtime)
    try:
        lister = Lister(graph, 0.0)
        graph.spin(lister)
    finally:
        graph.close()
    domain = os.environ.get("ROS_DOMAIN_ID", "") or "0"
    nodes = sorted({end.node for end in lister.endpoints if end.node})
    if not nodes:
        text = f"{runtime}: nobody is heard on domain {domain}."
        yield Finding("ros", "note", text, "Set ROS_DOMAIN_ID as on the robot; `bodyseg topics` lists who is heard.")
        return
    shown = ", ".join(nodes[:8]) + (", …" if len(nodes) > 8 else "")
    yield Finding("ros", "ok", f"{runtime}: {len(nodes)} nodes are heard on domain {domain}: {shown}.")
    by_topic: dict[str, list[Any]] = {}
    for end in lister.endpoints:
        by_topic.setdefault(end.topic, []).append(end)
    for topic, ends in sorted(by_topic.items()):
        for trouble in troubles(ends):
            mend = f"-p qos_overrides.{topic}.publisher.reliability:=reliable (or .subscription…, best_effort)"
            yield Finding("ros", "wrong", f"{topic}: {trouble}", mend)


#: Topic → (what it is called while it runs, check).
CHECKS: Final[Mapping[str, tuple[str, Callable[[], Iterator[Finding]]]]] = {
    "installation": ("what is installed", check_installation),
    "kernels": ("the C kernels", check_kernels),
    "plugins": ("plugins", check_plugins),
    "engines": ("engines, each with the shipped model", check_engines),
    "gpu": ("GPUs", check_gpu),
    "models": ("models", check_models),
    "folders": ("folders", check_folders),
    "ros": ("who is heard on the ROS graph", check_graph),
}
