"""LiteRT (formerly TensorFlow Lite): .tflite files on a CPU, or on what a delegate brings."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from ctypes import CDLL
from typing import Any, ClassVar, Final

from numpy.typing import NDArray
from pydantic import field_validator

from ..errors import EngineError, ModelFileError, SettingsError
from ..formats import FileFacts, ModelSource, read_file, tflite_facts
from ..settings import Settings, start_only
from .tensors import any_size, as_float, as_input, chosen_outputs, first_line, imported, only_input, thread_count

__all__ = ["LiteRTEngine", "LiteRTSettings"]

_log = logging.getLogger(__name__)

#: Custom ops that LiteRT itself does not have → what to do.
_FOREIGN_OPS: Final = {
    "edgetpu-custom-op": "the file is compiled for Coral's Edge TPU: set litert.delegate to libedgetpu.so.1 where "
    "there is one, or take the file whose name lacks _edgetpu",
    "PosenetDecoderOp": "Coral's own library decodes poses by it: take the file whose name lacks _decoder",
}


class LiteRTSettings(Settings):
    """How LiteRT runs the network."""

    xnnpack: bool = start_only(True, "Use XNNPACK, which is faster; off: LiteRT's own kernels.")
    delegate: str = start_only("", "Path of an external delegate's library, such as libedgetpu.so.1; '' for none.")
    delegate_options: tuple[str, ...] = start_only((), "The delegate's options, each as name=value.")

    @field_validator("delegate_options", mode="before")
    @classmethod
    def _one_or_more(cls, options: Any) -> Any:
        return (options,) if isinstance(options, str) else options

    @field_validator("delegate_options")
    @classmethod
    def _named(cls, options: tuple[str, ...]) -> tuple[str, ...]:
        for option in options:
            if "=" not in option.strip("="):
                raise ValueError(f"Parameter litert.delegate_options holds {option!r}, but it must be name=value.")
        return options


class LiteRTEngine:
    """Runs a .tflite file of any input size; tensors are laid out again only where the picture's size changes.

    8-bit files take and give float32 as others do; what goes in may also be of the file's own type.
    """

    Settings: ClassVar[type[Settings]] = LiteRTSettings
    formats: ClassVar[frozenset[str]] = frozenset({"tflite"})

    def __init__(self, source: ModelSource, settings: LiteRTSettings, threads: int = 0) -> None:
        self._litert = imported("ai_edge_litert.interpreter", "litert", "ai-edge-litert")
        self._path, self._settings, self._threads = source.path, settings, thread_count(threads)
        self._data: bytes | None = read_file(source.path)  # None once closed
        facts = tflite_facts(self._data, source.path)
        _refuse_foreign(facts, source, bool(settings.delegate))
        self._xnnpack = settings.xnnpack
        self._delegates = _delegates(self._litert, settings)
        self._declared = only_input(facts.inputs, source.path).shape
        self._input = any_size(only_input(facts.inputs, source.path))
        outputs = chosen_outputs(source.outputs, [output.name for output in facts.outputs], source.path)
        self._outputs = {head: (place, facts.outputs[place]) for head, place in outputs.items()}
        self._interpreter: Any = None  # None before the first run, and after one that failed
        self._open()

    @classmethod
    def speed(cls, settings: LiteRTSettings) -> float:
        """Twice TensorFlow's on a CPU."""
        return 2.0

    @property
    def device(self) -> str:
        """'CPU, 2 threads, XNNPACK', or the delegate's library."""
        kernels = ", XNNPACK" if self._xnnpack else ""
        delegate = f"{self._settings.delegate}, " if self._settings.delegate else ""
        return f"{delegate}CPU, {self._threads} thread{'s' * (self._threads != 1)}{kernels}"

    @property
    def leaves_cpu(self) -> bool:
        """Whether a delegate was chosen: most stand for another device, and the library does not say."""
        return bool(self._settings.delegate)

    def run(self, tensor: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """One forward pass: (1, h, w, c) in, float32 arrays by output names out (labels stay whole numbers).

        Sides of the picture may differ from the file's; not every network can then run. Raises EngineError.
        """
        if self._data is None:
            raise EngineError("The LiteRT engine is closed; open the model again.")
        values = as_input(tensor, self._input)
        try:
            if self._interpreter is None:
                self._open()
            return self._answer(values)
        except (RuntimeError, ValueError, MemoryError) as err:
            self._interpreter = None  # what failed half-way is not used again
            size = "×".join("any" if side is None else str(side) for side in self._declared)
            raise EngineError(
                f"LiteRT could not run {self._path.name} with an input of {values.shape}; the file states {size}: "
                f"{first_line(err)}."
            ) from err

    def close(self) -> None:
        """Let the network go."""
        self._interpreter = self._data = None

    def _answer(self, values: NDArray[Any]) -> dict[str, NDArray[Any]]:
        inner = self._interpreter
        picture = inner.get_input_details()[0]
        if tuple(picture["shape"]) != values.shape:
            inner.resize_tensor_input(picture["index"], values.shape)
            inner.allocate_tensors()
        inner.set_tensor(picture["index"], values)
        inner.invoke()
        details = inner.get_output_details()
        return {
            head: as_float(inner.get_tensor(details[place]["index"]), facts)
            for head, (place, facts) in self._outputs.items()
        }

    def _open(self) -> None:
        try:
            self._interpreter = self._built()
        except (RuntimeError, ValueError) as err:
            if not self._xnnpack or "XNNPACK" not in str(err):
                raise ModelFileError(f"LiteRT refuses {str(self._path)!r}: {first_line(err)}.") from err
            _log.warning("XNNPACK refuses %s (%s); LiteRT's own kernels run it.", self._path.name, first_line(err))
            self._xnnpack = False
            self._open()

    def _built(self) -> Any:
        kinds = self._litert.OpResolverType
        resolver = kinds.AUTO if self._xnnpack else kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        interpreter = self._litert.Interpreter(
            model_content=self._data,
            num_threads=self._threads,
            experimental_op_resolver_type=resolver,
            experimental_delegates=self._delegates,
        )
        interpreter.allocate_tensors()
        return interpreter


def _refuse_foreign(facts: FileFacts, source: ModelSource, has_delegate: bool) -> None:
    for op, reason in _FOREIGN_OPS.items():
        if op in facts.ops and not has_delegate:
            raise ModelFileError(
                f"The model {str(source.path)!r} holds the op {op}, which LiteRT does not have; {reason}."
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
