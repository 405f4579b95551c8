"""A model server on this machine that can be told to misbehave."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class ModelServer:
    """files: what is served. The other tables, by path, say what goes wrong; `asked` is what was asked for."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.cut_after: dict[str, int] = {}  # once: the connection ends after so many bytes
        self.status: dict[str, list[int]] = {}  # the next answers' status
        self.redirect: dict[str, str] = {}
        self.silent: set[str] = set()
        self.content_type: dict[str, str] = {}
        self.etag: str | None = "by content"
        self.pause_s = 0.0
        self.drip_s = 0.0  # a byte each, for ten seconds at most
        self.drips_headers = False
        self.asked: list[tuple[str, str | None]] = []
        self.released = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def publish(self, folder: str, weights: dict[str, bytes], index: str = "model.json") -> str:
        """Serve a small model; its address."""
        manifest = [{"paths": list(weights), "weights": []}]
        tree = {"format": "graph-model", "modelTopology": {}, "weightsManifest": manifest}
        self.files[f"/{folder}/{index}"] = json.dumps(tree).encode()
        self.files |= {f"/{folder}/{name}": data for name, data in weights.items()}
        return f"{self.address}/{folder}/{index}"

    def stop(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path = request.path.partition("?")[0]
        wanted = request.headers["Range"]
        self.asked.append((request.path, wanted))
        time.sleep(self.pause_s)
        if path in self.silent:
            self.released.wait(10)
            return
        if path in self.redirect:
            request.send_response(302)
            request.send_header("Location", self.redirect[path])
            request.end_headers()
            return
        statuses = self.status.get(path, [])
        if statuses or path not in self.files:
            request.send_error(statuses.pop(0) if statuses else 404)
            return
        self._send(request, path, wanted)

    def _send(self, request: BaseHTTPRequestHandler, path: str, wanted: str | None) -> None:
        data = self.files[path]
        etag = f'"{hashlib.sha256(data).hexdigest()[:8]}"' if self.etag == "by content" else self.etag
        start = 0
        if wanted and request.headers["If-Range"] == etag:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if start and start >= len(data):
            request.send_error(416)
            return
        if self.drips_headers:
            self._drip(request, b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 1000)
            return
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        if etag:
            request.send_header("ETag", etag)
        request.send_header("Content-Type", self.content_type.get(path, "application/octet-stream"))
        request.send_header("Content-Length", str(len(data) - start))
        request.end_headers()
        end = self.cut_after.pop(path, len(data))
        if self.drip_s:
            self._drip(request, data[start:end])
        else:
            request.wfile.write(data[start:end])

    def _drip(self, request: BaseHTTPRequestHandler, data: bytes) -> None:
        began = time.monotonic()
        for byte in data:
            if self.released.wait(self.drip_s) or time.monotonic() - began > 10:
                return
            try:
                request.wfile.write(bytes([byte]))
            except OSError:
                return


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    model_server = ModelServer()
    yield model_server
    model_server.stop()


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """No test reads or fills the real cache, nor the folders of the one who runs it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("BODYSEG_MODEL_PATH", raising=False)
    return tmp_path / "cache" / "bodyseg_ros"
