"""The seam between a picture and a network's tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, runtime_checkable

from numpy.typing import NDArray

from ..catalog import Card
from ..settings import Settings
from ..types import Frame, MapsWanted, Prepared, Result, Wanted

__all__ = ["LearnsBackground", "NeedsPrevious", "Network", "TakesMaps"]


class Network(Protocol):
    """Knows one kind of network. Built as `NetworkClass(card, settings, output_stride)`; it keeps no frame."""

    Settings: ClassVar[type[Settings]]

    #: What is known of the model.
    card: Card
    #: The options in force, an object of `Settings`.
    settings: Any

    def __init__(self, card: Card, settings: Any, output_stride: int) -> None: ...

    @property
    def offers(self) -> Wanted:
        """What it computes, as it is set; the rest of a Result stays None."""
        ...

    def prepare(self, frame: Frame) -> Prepared:
        """The frame as the network's input tensor, with the geometry that undoes it."""
        ...

    def decode(self, outputs: Mapping[str, NDArray[Any]], prepared: Prepared, wanted: Wanted) -> Result:
        """The engine's tensors to what is wanted of the frame."""
        ...

    def with_settings(self, settings: Any) -> Network:
        """The same network with other live settings, to be swapped in between two frames."""
        ...


@runtime_checkable
class LearnsBackground(Protocol):
    """What a network adds that learns how a camera's view looks without people; the node offers it as a service."""

    def capture_background(self) -> None:
        """Learn anew, from the next frames; may be called from another thread than those frames come on."""
        ...


@runtime_checkable
class NeedsPrevious(Protocol):
    """What a network adds whose prepare() may rest on the frame before."""

    @property
    def needs_previous(self) -> bool:
        """Whether a frame may be prepared only after the one before was decoded; else it may be earlier."""
        ...


@runtime_checkable
class TakesMaps(Protocol):
    """What a network adds whose decode() takes maps that an engine has made of its heads."""

    def maps_wanted(self, prepared: Prepared, wanted: Wanted) -> MapsWanted | None:
        """The maps that would spare decode() work; None: there are none."""
        ...
