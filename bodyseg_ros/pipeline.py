"""The recipe: frame → prepare → run → decode → result."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .catalog import Card, Progress, choose_card, find_model
from .engines import Engine, open_engine
from .errors import SettingsError
from .formats import ModelSource
from .networks import Network
from .plugins import load_plugin, plugin_names
from .settings import ModelSettings, Settings, build, flatten, split_groups, take, unknown_parameter
from .types import Frame, Result, Wanted

__all__ = ["Pipeline", "load"]


class Pipeline:
    """One loaded network, ready for frames; use it from one thread at a time.

    network: may be swapped between two frames, for one with other live settings.
    """

    def __init__(self, network: Network, engine: Engine) -> None:
        self.network = network
        self.engine = engine

    def run(self, frame: Frame, wanted: Wanted = Wanted.EVERYTHING) -> Result:
        """What is wanted of one frame. Raises EngineError where the network's answer is unusable."""
        prepared = self.network.prepare(frame)
        outputs = self.engine.run(prepared.tensor)
        return self.network.decode(outputs, prepared, wanted)

    def segment(self, image: NDArray[np.uint8], wanted: Wanted = Wanted.EVERYTHING) -> Result:
        """See the people in a picture, (H, W, 3) uint8 RGB. Raises FrameError for anything else."""
        return self.run(Frame(image), wanted)

    def configure(self, **parameters: Any) -> None:
        """Change live parameters of the network; the next frame sees them. Raises SettingsError."""
        have = self.network.settings.model_dump()
        self.network = self.network.with_settings(build(self.network.Settings, have | parameters))

    def close(self) -> None:
        """Give the engine's memory back."""
        self.engine.close()

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def load(model: str | None = None, **parameters: Any) -> Pipeline:
    """Load a network by the name of its card, with any parameters that `bodyseg params` lists.

    `load("bodypix-mobilenet-050", output_stride=8, segmentation_threshold=0.5, tensorflow={"device": "cpu"})`.
    Raises SettingsError, ModelNotFoundError, ModelFileError or PluginError, each with a sentence that says why.
    """
    if model is not None:
        parameters["model"] = model
    return load_from(flatten(parameters))


def load_from(values: Mapping[str, Any], progress: Progress | None = None) -> Pipeline:
    """Load a network from parameters by their dotted names; an unknown name is refused.

    progress: told of a download's bytes.
    """
    root, groups = split_groups(values)
    chosen = take(root, ModelSettings)
    card, source = _files(chosen, progress)
    network_class = load_plugin("networks", card.network if chosen.network == "auto" else chosen.network)
    options: Settings = take(root, network_class.Settings)
    if root:
        known = [*ModelSettings.model_fields, *network_class.Settings.model_fields]
        raise SettingsError(unknown_parameter(next(iter(root)), known))
    for group in groups:
        if group not in (*plugin_names("engines"), *plugin_names("effects")):
            name = f"{group}.{next(iter(groups[group]))}"
            raise SettingsError(unknown_parameter(name, [f"{plugin}.*" for plugin in plugin_names("engines")]))
    network: Network = network_class(card, options, chosen.output_stride)
    return Pipeline(network, open_engine(chosen.engine, source, groups))


def _files(chosen: ModelSettings, progress: Progress | None) -> tuple[Card, ModelSource]:
    """The card and its files; an engine that needs none gets none."""
    if chosen.engine != "auto" and "none" in load_plugin("engines", chosen.engine).formats:
        return choose_card(chosen), ModelSource(Path(), "none", output_stride=chosen.output_stride)
    return find_model(chosen, progress)
