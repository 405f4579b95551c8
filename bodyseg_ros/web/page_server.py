"""The server of the live page, on a thread of its own."""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import threading
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket, WebSocketDisconnect

from ..errors import BodysegError, GraphError, SettingsError
from ..parameter_files import params_text
from .controls import changed_values, controls_of
from .page_access import Access
from .page_settings import PageSettings, is_loopback
from .shown import Shown
from .viewers import Viewer, Viewers, encode_jpeg

__all__ = ["PageServer", "page_app"]

_FILES: Final = Path(__file__).parent / "page"
_PHOTO_BYTES: Final = 64 * 1024 * 1024
_MESSAGE_BYTES: Final = 64 * 1024
_PHOTO_QUALITY: Final = 92
#: Interval at which figures, layers and values changed by others are checked.
_FIGURES_S: Final = 0.5


def page_app(shown: Shown, viewers: Viewers, settings: PageSettings) -> Starlette:
    """The page as an ASGI application. settings: token and whether parameters may be changed."""
    page = _Page(shown, viewers, settings.web_changes)
    access = Middleware(Access, token=settings.web_token, cookie=f"bodyseg_{settings.web_port}")
    return Starlette(
        routes=[
            WebSocketRoute("/live", page.live),
            Route("/photo", page.photo, methods=["POST"]),
            Route("/parameters.yaml", page.parameters),
            Mount("/", StaticFiles(directory=_FILES, html=True)),
        ],
        middleware=[access],
    )


class _Page:
    def __init__(self, shown: Shown, viewers: Viewers, changes: bool) -> None:
        self._shown, self._viewers, self._changes = shown, viewers, changes

    async def live(self, web: WebSocket) -> None:
        """Send state, figures and images, and apply changes, until the browser disconnects."""
        await web.accept()
        try:
            with self._viewers.enter() as viewer:
                await web.send_json({"state": self._state()})
                async with anyio.create_task_group() as tasks:
                    for work in (self._send_pictures(web, viewer), self._send_figures(web), self._receive(web, viewer)):
                        tasks.start_soon(_until_it_leaves, work, tasks.cancel_scope)
        except BodysegError as err:
            await web.send_json({"refused": str(err)})
            await web.close()

    def _state(self) -> dict[str, Any]:
        shown = self._shown
        return {
            "title": shown.title,
            "changes": self._changes,
            "photos": shown.takes_photos,
            "controls": list(controls_of(shown)),
        } | self._news()

    def _news(self) -> dict[str, Any]:
        shown = self._shown
        live = {parameter.name: shown.values[parameter.name] for parameter in shown.parameters if parameter.live}
        return {"layers": list(shown.layers), "figures": dict(shown.figures), "values": live}

    async def _receive(self, web: WebSocket, viewer: Viewer) -> None:
        async for text in web.iter_text():
            try:
                message = json.loads(text)
                if "next" in message:
                    viewer.ask(str(message["next"]))
                if "set" in message:
                    await self._change(dict(message["set"]))
                    await web.send_json({"news": self._news()})
            except (BodysegError, ValueError, TypeError) as err:
                reason = str(err) if isinstance(err, BodysegError) else "The page sent an invalid message."
                await web.send_json({"refused": reason, "news": self._news()})

    async def _change(self, values: dict[str, Any]) -> None:
        if not self._changes:
            raise SettingsError("Parameters are read-only on this page: web_changes is false.")
        await asyncio.to_thread(self._shown.change, values)

    async def _send_pictures(self, web: WebSocket, viewer: Viewer) -> None:
        while True:
            picture = await viewer.next()
            await web.send_bytes(await asyncio.to_thread(picture.jpeg))

    async def _send_figures(self, web: WebSocket) -> None:
        while True:
            await asyncio.sleep(_FIGURES_S)
            await web.send_json({"news": self._news()})

    async def photo(self, request: Request) -> Response:
        """Return a layer of the photo in the request's body, as JPEG."""
        if not self._shown.takes_photos:
            return PlainTextResponse("This page takes no photos.", 403)
        data = bytearray()
        async for part in request.stream():
            data += part
            if len(data) > _PHOTO_BYTES:
                return PlainTextResponse(f"The photo is larger than {_PHOTO_BYTES >> 20} MiB.", 413)
        layer = request.query_params.get("layer", "")
        try:
            image = await asyncio.to_thread(self._shown.photo, bytes(data), layer)
            return Response(await asyncio.to_thread(encode_jpeg, image, _PHOTO_QUALITY), media_type="image/jpeg")
        except BodysegError as err:
            return PlainTextResponse(str(err), 422)

    async def parameters(self, request: Request) -> Response:
        """Return all parameters that are not at their defaults, as a ROS 2 parameter file."""
        headers = {"Content-Disposition": 'attachment; filename="parameters.yaml"'}
        text = params_text(changed_values(self._shown))
        return PlainTextResponse(text, media_type="application/yaml", headers=headers)


async def _until_it_leaves(work: Coroutine[Any, Any, None], others: anyio.CancelScope) -> None:
    """Run one task of a viewer's connection; when the browser has disconnected, cancel the others."""
    with suppress(WebSocketDisconnect, RuntimeError):  # RuntimeError: the browser disconnected during a send
        await work
    others.cancel()


class PageServer:
    """Serves the page from its construction to close().

    settings: address, port, token (a new one if it is empty and the address not this machine's own). Raises GraphError
    if the address cannot be used.
    """

    def __init__(self, shown: Shown, viewers: Viewers, settings: PageSettings) -> None:
        if not settings.web_token and not is_loopback(settings.web_host):
            settings = settings.model_copy(update={"web_token": secrets.token_urlsafe(16)})
        self._settings = settings
        try:
            family = socket.AF_INET6 if ":" in settings.web_host else socket.AF_INET
            self._socket = socket.create_server((settings.web_host, settings.web_port), family=family)
        except OSError as err:
            raise GraphError(
                f"The live page cannot use {settings.web_host}, port {settings.web_port}: {err.strerror or err}. "
                "Choose another web_port or web_host."
            ) from err
        config = uvicorn.Config(
            page_app(shown, viewers, settings),
            log_level="warning",
            log_config=None,
            lifespan="off",
            ws="websockets-sansio",
            ws_max_size=_MESSAGE_BYTES,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        run = {"sockets": [self._socket]}
        self._thread = threading.Thread(target=self._server.run, kwargs=run, name="live page", daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """Address to open in a browser."""
        host, port = self._settings.web_host, self._socket.getsockname()[1]
        name = socket.gethostname() if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
        query = f"?token={self._settings.web_token}" if self._settings.web_token else ""
        return f"http://{name}:{port}/{query}"

    def close(self) -> None:
        """Stop serving."""
        self._server.should_exit = True
        self._thread.join(timeout=5)
        self._socket.close()
