"""onnxruntime: .onnx files on a CPU, on NVIDIA GPUs, or by OpenVINO."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal

from numpy.typing import NDArray
from platformdirs import user_cache_path
from pydantic import field_validator

from ..errors import EngineError, ModelFileError, SettingsError
from ..formats import ModelSource, onnx_facts, read_file
from ..settings import Settings, start_only
from .tensors import as_float, as_input, chosen_outputs, first_line, imported, may_use_nvidia, only_input, thread_count

__all__ = ["OnnxRuntimeEngine", "OnnxRuntimeSettings"]

Provider = Literal["tensorrt", "cuda", "openvino", "cpu"]

#: Provider → onnxruntime's name, best first.
_PROVIDERS: Final[Mapping[str, str]] = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
_BROUGHT_BY: Final = "pip install onnxruntime-gpu brings tensorrt and cuda, onnxruntime-openvino brings openvino"
#: onnxruntime's own severities: 3 is errors.
_ERRORS_ONLY: Final = 3


class OnnxRuntimeSettings(Settings):
    """Where onnxruntime runs the network."""

    providers: tuple[Provider, ...] = start_only(
        (),
        "What may run the network, best first, each part by the first that can; empty: all that are here, GPUs first.",
    )

    @field_validator("providers", mode="before")
    @classmethod
    def _with_commas(cls, providers: Any) -> Any:
        return tuple(providers.replace(" ", "").split(",")) if isinstance(providers, str) else providers


class OnnxRuntimeEngine:
    """Runs an .onnx file of any input size that the file leaves open."""

    Settings: ClassVar[type[Settings]] = OnnxRuntimeSettings
    formats: ClassVar[frozenset[str]] = frozenset({"onnx"})

    def __init__(self, source: ModelSource, settings: OnnxRuntimeSettings, threads: int = 0) -> None:
        runtime = imported("onnxruntime", "onnxruntime", "bodyseg_ros[onnx]")
        self._path, self._threads = source.path, thread_count(threads)
        data = read_file(source.path)
        facts = onnx_facts(data, source.path)
        self._input = only_input(facts.inputs, source.path)
        outputs = chosen_outputs(source.outputs, [output.name for output in facts.outputs], source.path)
        self._outputs = {head: facts.outputs[place] for head, place in outputs.items()}
        providers = _chosen_providers(runtime, settings.providers)
        try:
            session = runtime.InferenceSession(data, _options(runtime, self._threads), providers=providers)
        except Exception as err:  # its errors have no base of their own
            raise ModelFileError(f"onnxruntime refuses {str(source.path)!r}: {first_line(err)}.") from err
        self._active = [name for name, full in _PROVIDERS.items() if full in session.get_providers()]
        _refuse_fallback(settings.providers, self._active)
        self._session: Any = session  # None once closed

    @classmethod
    def speed(cls, settings: OnnxRuntimeSettings) -> float:
        """A little more than TensorFlow's."""
        if not may_use_nvidia("onnxruntime") or (
            settings.providers and not {"tensorrt", "cuda"} & set(settings.providers)
        ):
            return 1.2
        there = imported("onnxruntime", "onnxruntime", "bodyseg_ros[onnx]").get_available_providers()
        return 12.0 if _PROVIDERS["cuda"] in there else 1.2

    @property
    def device(self) -> str:
        """'CPU, 2 threads', or the providers before it: 'cuda, CPU, 2 threads'."""
        others = "".join(f"{name}, " for name in self._active if name != "cpu")
        return f"{others}CPU, {self._threads} thread{'s' * (self._threads != 1)}"

    @property
    def leaves_cpu(self) -> bool:
        """Whether a GPU comes first; what that cannot run is the CPU's all the same."""
        return self._active[:1] in (["tensorrt"], ["cuda"])

    def run(self, tensor: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """One forward pass: an array of the model's shape in, float32 arrays by output names out.

        Raises EngineError.
        """
        if self._session is None:
            raise EngineError("The onnxruntime engine is closed; open the model again.")
        values = as_input(tensor, self._input)
        names = [facts.name for facts in self._outputs.values()]
        try:
            arrays = self._session.run(names, {self._input.name: values})
        except Exception as err:  # its errors have no base of their own
            raise EngineError(
                f"onnxruntime could not run {self._path.name} with an input of {values.shape}: {first_line(err)}."
            ) from err
        found = zip(self._outputs.items(), arrays, strict=True)
        return {head: as_float(array, facts) for (head, facts), array in found}

    def close(self) -> None:
        """Let the network go."""
        self._session = None


def _chosen_providers(runtime: Any, wanted: tuple[Provider, ...]) -> list[Any]:
    """Names of providers as onnxruntime has them, with their options. Raises SettingsError for one that is not here."""
    there = runtime.get_available_providers()
    for name in wanted:
        if _PROVIDERS[name] not in there:
            have = ", ".join(short for short, full in _PROVIDERS.items() if full in there)
            raise SettingsError(
                f"Parameter onnxruntime.providers holds {name!r}, but this onnxruntime has {have} only; {_BROUGHT_BY}."
            )
    chosen = wanted or [name for name, full in _PROVIDERS.items() if full in there]
    options = {
        # Its plans take minutes to make.
        "tensorrt": {"trt_engine_cache_enable": True, "trt_engine_cache_path": str(user_cache_path("bodyseg_ros"))},
        "cuda": {"arena_extend_strategy": "kSameAsRequested"},  # no more memory than is needed
    }
    return [(_PROVIDERS[name], options.get(name, {})) for name in chosen]


def _options(runtime: Any, threads: int) -> Any:
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    # Threads that wait for work would else keep their cores busy, which the other nodes need.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _refuse_fallback(wanted: tuple[Provider, ...], active: list[str]) -> None:
    """Say what onnxruntime says in its log alone: that a provider's libraries are missing, so that the CPU runs."""
    for name in wanted:
        if name not in active:
            raise SettingsError(
                f"Parameter onnxruntime.providers holds {name!r}, but its libraries cannot be loaded here; "
                "the log above says which. Leave the parameter empty to take what there is."
            )
