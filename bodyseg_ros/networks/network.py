"""Base class of networks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from numpy.typing import NDArray

from .. import settings
from ..catalog import Card
from ..errors import EngineError, ModelFileError
from ..frame_skip import FrameSkipSettings
from ..plugins import Plugin
from ..types import Frame, MapsWanted, Prepared, Result, Wanted
from .flip import FlipSettings

__all__ = ["Network", "NetworkSettings"]


class NetworkSettings(FrameSkipSettings, FlipSettings):
    """What the steps around a network do; the settings of our networks inherit it."""


class Network(Plugin):
    """Preprocessing and decoding for one kind of network. Keeps no frame.

    A plugin implements offers, prepare() and decode(). Created as `NetworkClass(card, settings, output_stride)`. card:
    facts about the model. output_stride: network px per output cell.
    """

    supported_versions = frozenset({1})
    Settings: ClassVar[type[settings.Settings]] = settings.Settings

    #: Whether a frame may be prepared only after the previous one was decoded.
    needs_previous: bool = False
    #: Whether it learns the view without people; nodes then offer capture_background().
    learns_background: bool = False

    def __init__(self, card: Card, settings: Any, output_stride: int) -> None:
        self.card, self.settings, self.output_stride = card, settings, output_stride

    @classmethod
    def defaults_of(cls, card: Card) -> dict[str, Any]:
        """The card's own defaults of its network's parameters. Raises ModelFileError for one the network has not."""
        if cls.name != card.network:
            return {}
        unknown = sorted(card.defaults.keys() - cls.Settings.model_fields)
        if unknown:
            raise ModelFileError(
                f"The model card {card.name!r} has a default for {unknown[0]!r}, but its network has the parameters "
                f"{', '.join(cls.Settings.model_fields)}."
            )
        return dict(card.defaults)

    @property
    @abstractmethod
    def offers(self) -> Wanted:
        """What it computes with these settings; other fields of a Result are None."""

    @abstractmethod
    def prepare(self, frame: Frame) -> Prepared:
        """Make the network's input tensor from a frame, with the geometry that inverts the resizing."""

    @abstractmethod
    def decode(self, outputs: Mapping[str, NDArray[Any]], prepared: Prepared, wanted: Wanted) -> Result:
        """Decode the engine's tensors, including the maps of maps_wanted() if the engine made them, to a Result.

        Raises EngineError if they do not fit the network.
        """

    def maps_wanted(self, prepared: Prepared, wanted: Wanted) -> MapsWanted | None:
        """Describe maps that an engine can decode on its device instead of decode(); None if there are none."""
        return None

    def with_settings(self, settings: Any) -> Network:
        """Return the same network with other live settings, to be exchanged between two frames."""
        return type(self)(self.card, settings, self.output_stride)

    def capture_background(self) -> None:
        """Learn the background anew from the next frames. Thread-safe."""
        raise EngineError(f"The network {self.name} does not learn a background.")
