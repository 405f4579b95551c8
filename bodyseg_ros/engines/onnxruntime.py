"""onnxruntime: .onnx files on a CPU, on NVIDIA GPUs, or by OpenVINO."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Literal

from numpy.typing import NDArray
from platformdirs import user_cache_path
from pydantic import field_validator

from ..errors import SettingsError
from ..formats import onnx_facts, read_file
from ..settings import Settings, start_only
from .engine import Engine
from .tensors import as_float, chosen_outputs, may_use_nvidia, only_input, thread_count

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
        "Execution providers in order of preference; each operation runs on the first that supports it. Empty: "
        "all available, GPUs first.",
    )
    profile: str = start_only(
        "",
        "File for the time of every operation, written when the model is closed, as chrome://tracing and "
        "ui.perfetto.dev read it; '': none.",
    )

    @field_validator("providers", mode="before")
    @classmethod
    def _with_commas(cls, providers: Any) -> Any:
        return tuple(providers.replace(" ", "").split(",")) if isinstance(providers, str) else providers


class OnnxRuntimeEngine(Engine):
    """Runs an .onnx file of any input size that the file leaves open."""

    api_version = 1
    Settings = OnnxRuntimeSettings
    formats = frozenset({"onnx"})
    package, requirement = "onnxruntime", "bodyseg_ros[onnx]"
    settings: OnnxRuntimeSettings

    @classmethod
    def speed(cls, settings: OnnxRuntimeSettings) -> float:
        """A little more than TensorFlow's."""
        asked = not settings.providers or bool({"tensorrt", "cuda"} & set(settings.providers))
        if not asked or not may_use_nvidia("onnxruntime"):
            return 1.2
        return 12.0 if _PROVIDERS["cuda"] in import_module("onnxruntime").get_available_providers() else 1.2

    @property
    def device(self) -> str:
        """'CPU, 2 threads', or the providers before it: 'cuda, CPU, 2 threads'."""
        return "".join(f"{name}, " for name in self._active if name != "cpu") + super().device

    def load(self) -> None:
        """Check the file and open a session on the providers chosen."""
        runtime, path = import_module("onnxruntime"), self.source.path
        data = read_file(path)
        facts = onnx_facts(data, path)
        self._input = self.input = only_input(facts.inputs, path)
        outputs = chosen_outputs(self.source.outputs, [output.name for output in facts.outputs], path)
        self._outputs = {head: facts.outputs[place] for head, place in outputs.items()}
        providers = _chosen_providers(runtime, self.settings.providers)
        options = _options(runtime, thread_count(self.threads), self.settings.profile)
        self._session = runtime.InferenceSession(data, options, providers=providers)
        self._active = [name for name, full in _PROVIDERS.items() if full in self._session.get_providers()]
        _refuse_fallback(self.settings.providers, self._active)
        # What a GPU cannot run is the CPU's all the same.
        self.leaves_cpu = self._active[:1] in (["tensorrt"], ["cuda"])

    def infer(self, tensor: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """See Engine.infer()."""
        names = [facts.name for facts in self._outputs.values()]
        arrays = self._session.run(names, {self._input.name: tensor})
        found = zip(self._outputs.items(), arrays, strict=True)
        return {head: as_float(array, facts) for (head, facts), array in found}

    def unload(self) -> None:
        """Let the network go, and write the profile that was asked for."""
        profile = self._session.end_profiling() if self.settings.profile else ""
        self._session = None
        if profile:
            Path(profile).replace(self.settings.profile)  # onnxruntime adds the time to the name


def _chosen_providers(runtime: Any, wanted: tuple[Provider, ...]) -> list[Any]:
    """Names of providers as onnxruntime has them, with their options. Raises SettingsError for one that is not here."""
    there = runtime.get_available_providers()
    for name in wanted:
        if _PROVIDERS[name] not in there:
            have = ", ".join(short for short, full in _PROVIDERS.items() if full in there)
            raise SettingsError(
                f"Parameter onnxruntime.providers has {name!r}, but this onnxruntime only has {have}; {_BROUGHT_BY}."
            )
    chosen = wanted or [name for name, full in _PROVIDERS.items() if full in there]
    options = {
        # Building a plan takes minutes.
        "tensorrt": {"trt_engine_cache_enable": True, "trt_engine_cache_path": str(user_cache_path("bodyseg_ros"))},
        "cuda": {"arena_extend_strategy": "kSameAsRequested"},  # no more memory than is needed
    }
    return [(_PROVIDERS[name], options.get(name, {})) for name in chosen]


def _options(runtime: Any, threads: int, profile: str) -> Any:
    options = runtime.SessionOptions()
    options.enable_profiling, options.profile_file_prefix = bool(profile), _writable(profile)
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    # Otherwise waiting threads spin and use up cores that other nodes need.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _writable(profile: str) -> str:
    """Return the file's name. Raises SettingsError if its folder is missing; onnxruntime would write nothing."""
    folder = Path(profile).parent
    if profile and not folder.is_dir():
        raise SettingsError(
            f"Parameter onnxruntime.profile is {profile!r}, but there is no folder {str(folder)!r}; make it first."
        )
    return profile


def _refuse_fallback(wanted: tuple[Provider, ...], active: list[str]) -> None:
    """Raise an error if a provider's libraries are missing; onnxruntime only logs it and uses the CPU."""
    for name in wanted:
        if name not in active:
            raise SettingsError(
                f"Parameter onnxruntime.providers has {name!r}, but its libraries cannot be loaded; see the log "
                "above. Leave the parameter empty to use what is available."
            )
