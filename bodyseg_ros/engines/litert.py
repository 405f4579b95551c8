"""LiteRT (formerly TensorFlow Lite): .tflite files on a CPU or a delegate."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from ctypes import CDLL
from importlib import import_module
from typing import Any, Final

from numpy.typing import NDArray
from pydantic import field_validator

from ..errors import ModelFileError, SettingsError
from ..formats import FileFacts, ModelSource, read_file, tflite_facts
from ..settings import Settings, start_only
from .engine import Engine
from .native_lines import without_line
from .tensors import any_size, as_float, chosen_outputs, first_line, only_input, thread_count

__all__ = ["LiteRTEngine", "LiteRTSettings"]

_log = logging.getLogger(__name__)

#: LiteRT prints it for each interpreter, and has no switch.
_XNNPACK_LINE: Final = b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU."
#: Custom ops missing in LiteRT → what to do.
_FOREIGN_OPS: Final = {
    "edgetpu-custom-op": "the file is compiled for Coral's Edge TPU: set litert.delegate to libedgetpu.so.1 where "
    "there is one, or take the file whose name lacks _edgetpu",
    "PosenetDecoderOp": "Coral's own library decodes poses by it: take the file whose name lacks _decoder",
}


class LiteRTSettings(Settings):
    """How LiteRT runs the network."""

    xnnpack: bool = start_only(True, "Use XNNPACK, which is faster; false: LiteRT's own kernels.")
    delegate: str = start_only("", "Path of a delegate library, such as libedgetpu.so.1; '': none.")
    delegate_options: tuple[str, ...] = start_only((), "Options of the delegate, each as name=value.")

    @field_validator("delegate_options", mode="before")
    @classmethod
    def _one_or_more(cls, options: Any) -> Any:
        return (options,) if isinstance(options, str) else options

    @field_validator("delegate_options")
    @classmethod
    def _named(cls, options: tuple[str, ...]) -> tuple[str, ...]:
        for option in options:
            if "=" not in option.strip("="):
                raise ValueError(f"Parameter litert.delegate_options has {option!r}, but it must be name=value.")
        return options


class LiteRTEngine(Engine):
    """Runs a .tflite file of any input size; reallocates tensors only if the image size changes.

    8-bit files take and return float32 like others; input of the file's own dtype is accepted too.
    """

    api_version = 1
    Settings = LiteRTSettings
    formats = frozenset({"tflite"})
    package, requirement = "ai_edge_litert", "ai-edge-litert"
    settings: LiteRTSettings

    @classmethod
    def speed(cls, settings: LiteRTSettings) -> float:
        """Twice TensorFlow's on a CPU."""
        return 2.0

    @property
    def device(self) -> str:
        """'CPU, 2 threads, XNNPACK', before it the delegate's library."""
        delegate = f"{self.settings.delegate}, " if self.settings.delegate else ""
        return f"{delegate}{super().device}{', XNNPACK' * self._xnnpack}"

    def load(self) -> None:
        """Check the file, load the delegate, build the interpreter."""
        self._litert = import_module("ai_edge_litert.interpreter")
        path = self.source.path
        self._data = read_file(path)
        facts = tflite_facts(self._data, path)
        _refuse_foreign(facts, self.source, bool(self.settings.delegate))
        # Most delegates use another device; the library does not report it.
        self.leaves_cpu = bool(self.settings.delegate)
        self._xnnpack = self.settings.xnnpack
        self._delegates = _delegates(self._litert, self.settings)
        self._declared = only_input(facts.inputs, path).shape
        self.input = any_size(only_input(facts.inputs, path))
        outputs = chosen_outputs(self.source.outputs, [output.name for output in facts.outputs], path)
        self._outputs = {head: (place, facts.outputs[place]) for head, place in outputs.items()}
        self._interpreter = self._opened()

    def infer(self, tensor: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """As Engine.infer(); labels stay integers. Not every network can run at another size than declared."""
        inner = self._interpreter or self._opened()
        self._interpreter = None  # discard the interpreter after a failure
        picture = inner.get_input_details()[0]
        if tuple(picture["shape"]) != tensor.shape:
            inner.resize_tensor_input(picture["index"], tensor.shape)
            inner.allocate_tensors()
        inner.set_tensor(picture["index"], tensor)
        inner.invoke()
        details = inner.get_output_details()
        self._interpreter = inner
        return {
            head: as_float(inner.get_tensor(details[place]["index"]), facts)
            for head, (place, facts) in self._outputs.items()
        }

    def explain(self, error: Exception) -> str:
        """The first line, and the size that the file states."""
        size = "×".join("any" if side is None else str(side) for side in self._declared)
        return f"{first_line(error)}; the file states {size}"

    def unload(self) -> None:
        """Let the network go."""
        self._interpreter, self._data = None, b""

    def _opened(self) -> Any:
        try:
            return self._built()
        except (RuntimeError, ValueError) as err:
            if not self._xnnpack or "XNNPACK" not in str(err):
                raise
            _log.warning(
                "XNNPACK cannot run %s (%s); using LiteRT's own kernels.", self.source.path.name, first_line(err)
            )
            self._xnnpack = False
            return self._built()

    def _built(self) -> Any:
        kinds = self._litert.OpResolverType
        with without_line(_XNNPACK_LINE):
            interpreter = self._litert.Interpreter(
                model_content=self._data,
                num_threads=thread_count(self.threads),
                experimental_op_resolver_type=kinds.AUTO if self._xnnpack else kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
                experimental_delegates=self._delegates,
            )
            interpreter.allocate_tensors()
        return interpreter


def _refuse_foreign(facts: FileFacts, source: ModelSource, has_delegate: bool) -> None:
    for op, reason in _FOREIGN_OPS.items():
        if op in facts.ops and not has_delegate:
            raise ModelFileError(
                f"The model {str(source.path)!r} has the op {op}, which LiteRT does not support; {reason}."
            )


def _delegates(litert: Any, settings: LiteRTSettings) -> list[Any]:
    if not settings.delegate:
        return []
    options = dict(option.split("=", 1) for option in settings.delegate_options)
    try:
        CDLL(settings.delegate).tflite_plugin_create_delegate  # noqa: B018 - LiteRT fails untidily without it
        return [litert.load_delegate(settings.delegate, options)]
    except (OSError, ValueError, AttributeError) as err:
        raise SettingsError(
            f"Parameter litert.delegate is {settings.delegate!r}, but it cannot be loaded as a delegate: "
            f"{first_line(err)}."
        ) from err
