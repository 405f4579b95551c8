"""Base class of networks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from numpy.typing import NDArray

from .. import settings
from ..catalog import Card
from ..errors import EngineError
from ..plugins import Plugin
from ..types import Frame, MapsWanted, Prepared, Result, Wanted

__all__ = ["Network"]


class Network(Plugin):
    """Preprocessing and decoding for one kind of network. Keeps no frame.

    A plugin implements offers, prepare() and decode(). Created as `NetworkClass(card, settings, output_stride)`. card:
    facts about the model. output_stride: network px per output cell.
    """

    supported_versions = frozenset({1})
    Settings: ClassVar[type[settings.Settings]] = settings.Settings

    #: Whether a frame may be prepared only after the one before was decoded.
    needs_previous: bool = False
    #: Whether it learns how a camera's view looks without people; a node then offers capture_background().
    learns_background: bool = False

    def __init__(self, card: Card, settings: Any, output_stride: int) -> None:
        self.card, self.settings, self.output_stride = card, settings, output_stride

    @property
    @abstractmethod
    def offers(self) -> Wanted:
        """What it computes, as it is set; the rest of a Result stays None."""

    @abstractmethod
    def prepare(self, frame: Frame) -> Prepared:
        """The frame as the network's input tensor, with the geometry that undoes it."""

    @abstractmethod
    def decode(self, outputs: Mapping[str, NDArray[Any]], prepared: Prepared, wanted: Wanted) -> Result:
        """Decode the engine's tensors, including the maps of maps_wanted() if the engine made them, to a Result.

        Raises EngineError if they do not fit the network.
        """

    def maps_wanted(self, prepared: Prepared, wanted: Wanted) -> MapsWanted | None:
        """The maps that an engine can make on its device to spare decode() work; None: there are none."""
        return None

    def with_settings(self, settings: Any) -> Network:
        """The same network with other live settings, to be swapped in between two frames."""
        return type(self)(self.card, settings, self.output_stride)

    def capture_background(self) -> None:
        """Relearn the background from the next frames; may be called from any thread."""
        raise EngineError(f"The network {self.name} does not learn a background.")
