"""Access control of the page: allowed host names, tokens, and no requests from other sites."""

from __future__ import annotations

import secrets
from http.cookies import SimpleCookie
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .page_settings import LOOPBACK_NAMES, is_loopback

__all__ = ["Access"]

#: Everything comes from this server. blob: allows the images received through the WebSocket.
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_ASK: Final = """<!doctype html><meta name="viewport" content="width=device-width"><title>bodyseg</title>
<p>This page needs its token. The program that serves it has printed the whole address.</p>
<form><label>Token <input name="token" autocomplete="off"></label> <button>Open</button></form>"""
#: WebSocket close code for a violated policy (RFC 6455, 7.4.1).
_POLICY: Final = 1008


class Access:
    """ASGI middleware that refuses requests under foreign names, from other sites, and without the token.

    Without a token the Host must be a loopback name: otherwise a site could reach the page through a name of its own
    that it points at this machine (DNS rebinding).
    """

    def __init__(self, app: ASGIApp, token: str, cookie: str) -> None:
        self._app, self._token, self._cookie = app, token, cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        answer = self._refusal(scope)
        if answer is None:
            await self._app(scope, receive, _with_headers(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": _POLICY, "reason": "refused"})
        else:
            await answer(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope) -> Response | None:
        """Reply that ends a request."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._token and not _is_own_name(host):
            return PlainTextResponse(f"This page answers to {', '.join(LOOPBACK_NAMES)} only.", 403)
        if _is_foreign(headers, host):
            return PlainTextResponse("This page takes no requests from other sites.", 403)
        if not self._token or self._matches(_cookie_of(headers, self._cookie)):
            return None
        if scope["type"] == "http" and self._matches(QueryParams(scope["query_string"]).get("token", "")):
            answer = RedirectResponse(scope["path"], 303)
            answer.set_cookie(self._cookie, self._token, httponly=True, samesite="strict")
            return answer
        return HTMLResponse(_ASK, 401)

    def _matches(self, token: str) -> bool:
        return secrets.compare_digest(token.encode(), self._token.encode())


def _is_own_name(host: str) -> bool:
    try:
        return is_loopback(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False


def _is_foreign(headers: Headers, host: str) -> bool:
    """Whether another site's page made the request. Following a link to the page is allowed."""
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != host:
        return True
    site, navigates = headers.get("sec-fetch-site", "none"), headers.get("sec-fetch-mode") == "navigate"
    return site not in ("none", "same-origin") and not navigates


def _cookie_of(headers: Headers, name: str) -> str:
    cookies: SimpleCookie = SimpleCookie(headers.get("cookie", ""))
    return cookies[name].value if name in cookies else ""


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(_HEADERS)
        await send(message)

    return send_with_headers
