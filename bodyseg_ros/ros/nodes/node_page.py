"""A node's live page: the server, and what it may ask of the node."""

from __future__ import annotations

import tempfile
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ...dependencies import missing_package
from ...errors import BodysegError, FrameError, MediaError, SettingsError
from ...media import read_photo
from ...settings import Parameter
from ...web import PageSettings, Viewers
from ..graph.port import Graph, Timer

__all__ = ["NodePage", "read_dropped_photo"]

#: Changes are applied on the graph's thread, which looks for them so often, s.
_CHANGES_S: Final = 0.02
_LONGEST_CHANGE_S: Final = 5.0


class NodePage:
    """See web.Shown. The node hands pictures to `viewers`; everything else it tells by the functions given here.

    layers, values, figures: called from the page's threads. photo: None if the page takes no photos.
    """

    def __init__(
        self,
        graph: Graph,
        settings: PageSettings,
        parameters: Sequence[Parameter],
        values: Callable[[], Mapping[str, Any]],
        figures: Callable[[], Mapping[str, str]],
        layers: Callable[[], Sequence[str]],
        photo: Callable[[NDArray[np.uint8], str], NDArray[np.uint8]] | None = None,
    ) -> None:
        self._graph, self._settings = graph, settings
        self.parameters = parameters
        self._values, self._figures, self._layers, self._photo = values, figures, layers, photo
        self.viewers = Viewers()
        self._server: Any = None
        self._changes: deque[tuple[dict[str, Any], Future[None]]] = deque()
        self._timer: Timer | None = None
        self._one_photo = threading.Lock()

    @property
    def title(self) -> str:
        """See Shown."""
        return f"{self._graph.namespace.rstrip('/')}/{self._graph.name}"

    @property
    def layers(self) -> Sequence[str]:
        """See Shown."""
        return self._layers()

    @property
    def values(self) -> Mapping[str, Any]:
        """See Shown."""
        return self._values()

    @property
    def figures(self) -> Mapping[str, str]:
        """See Shown."""
        return self._figures()

    @property
    def takes_photos(self) -> bool:
        """See Shown."""
        return self._photo is not None

    def start(self) -> None:
        """Serve the page if there is a port; a page that cannot be served is logged, and the node goes on."""
        if not self._settings.web_port or self._server:
            return
        try:
            self._server = _open_server(self, self.viewers, self._settings)
        except BodysegError as err:
            self._graph.log("error", str(err))
            return
        may = "may be changed" if self._settings.web_changes else "are read-only"
        self._graph.log("info", f"The live page is at {self._server.address} ; its parameters {may}.")
        self._timer = self._graph.timer(_CHANGES_S, self._apply)

    def stop(self) -> None:
        """Serve it no more. Safe to call more than once."""
        if self._timer:
            self._timer.cancel()
        if self._server:
            self._server.close()
            self._server = None

    def change(self, values: Mapping[str, Any]) -> None:
        """See Shown."""
        done: Future[None] = Future()
        self._changes.append((dict(values), done))
        try:
            done.result(_LONGEST_CHANGE_S)
        except TooLate:
            raise SettingsError("The node is busy, so the change is not confirmed yet.") from None

    def _apply(self) -> None:
        while self._changes:
            values, done = self._changes.popleft()
            try:
                self._graph.set_parameters(values)
            except Exception as err:  # noqa: BLE001 - the page shows it
                done.set_exception(err)
            else:
                done.set_result(None)

    def photo(self, data: bytes, layer: str) -> NDArray[np.uint8]:
        """See Shown."""
        if self._photo is None or layer not in self.layers:
            raise FrameError(f"A photo has the layers {', '.join(self.layers)}, not {layer[:40]!r}.")
        image = read_dropped_photo(data)
        with self._one_photo:
            return self._photo(image, layer)


def read_dropped_photo(data: bytes) -> NDArray[np.uint8]:
    """Read a photo file's bytes: (H, W, 3) uint8 RGB. Raises MediaError."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photo"
        path.write_bytes(data)
        try:
            return read_photo(path)
        except MediaError as err:
            raise MediaError(str(err).replace(str(path), "photo")) from err


def _open_server(page: NodePage, viewers: Viewers, settings: PageSettings) -> Any:
    try:
        from ...web.page_server import PageServer
    except ModuleNotFoundError as err:
        raise missing_package("The live page", err, "bodyseg_ros[web]") from err
    return PageServer(page, viewers, settings)
