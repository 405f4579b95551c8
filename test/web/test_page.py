"""The live page as an HTTP client sees it: who gets in, what is sent, what may be changed."""

from __future__ import annotations

import asyncio
import io
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

pytest.importorskip("starlette", reason="starlette is not installed: pip install '.[web]'")
pytest.importorskip("httpx2", reason="httpx2 is not installed: pip install httpx2")

from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from bodyseg_ros.errors import GraphError, MediaError, SettingsError
from bodyseg_ros.parameter_files import read_params_file
from bodyseg_ros.settings import Parameter, Settings, build, live, parameters, start_only
from bodyseg_ros.web import PageSettings, Viewers
from bodyseg_ros.web.page_server import PageServer, page_app

TOKEN = "abcdefghijkl"
LIVE = "ws://127.0.0.1:8080/live"


class SomeSettings(Settings):
    threshold: float = live(0.5, "A share.", ge=0.0, le=1.0)
    word: str = live("", "A word.")
    model: str = start_only("auto", "Read at start.")


class Camera:
    """A web.Shown with three parameters."""

    title = "/bodyseg"
    layers: Sequence[str] = ("mask", "camera")
    parameters: Sequence[Parameter] = tuple(parameters(SomeSettings))
    figures: Mapping[str, str] = {"rate_hz": "29.97"}
    takes_photos = True

    def __init__(self) -> None:
        self._settings = SomeSettings()

    @property
    def values(self) -> Mapping[str, Any]:
        return self._settings.model_dump()

    def change(self, values: Mapping[str, Any]) -> None:
        self._settings = build(SomeSettings, self._settings.model_dump() | dict(values))

    def photo(self, data: bytes, layer: str) -> NDArray[np.uint8]:
        if not data.startswith(b"photo"):
            raise MediaError("That is no photo.")
        return np.full((8, 12, 3), (250, 10, 10), np.uint8)


def client(viewers: Viewers | None = None, address: str = "http://127.0.0.1:8080", **given: Any) -> TestClient:
    settings = PageSettings(web_port=8080, **given)
    return TestClient(page_app(Camera(), viewers or Viewers(), settings), base_url=address)


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1:8080", "[::1]:8080", "localhost"])
def test_without_a_token_this_machines_names_open_the_page(host: str) -> None:
    answer = client().get("/", headers={"host": host})
    assert answer.status_code == 200
    assert "<title>bodyseg</title>" in answer.text
    assert "default-src 'self'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "192.168.1.7:8080", "", "["])
def test_a_name_that_a_stranger_points_here_opens_nothing(host: str) -> None:
    """DNS rebinding: the browser takes the stranger's page and ours for the same origin."""
    assert client().get("/", headers={"host": host}).status_code == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://127.0.0.1:8080"}, 200),
        ({"origin": "http://127.0.0.1:9999"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, 403),
        ({"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"}, 403),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, 200),  # a link to the page
    ],
)
def test_other_sites_requests_are_refused(headers: dict[str, str], status: int) -> None:
    assert client().get("/", headers=headers).status_code == status


def test_another_sites_socket_is_refused() -> None:
    with (
        pytest.raises(WebSocketDisconnect) as refused,
        client().websocket_connect(LIVE, headers={"origin": "https://evil.example"}),
    ):
        pass
    assert refused.value.code == 1008


def test_a_wrong_token_is_refused_and_the_right_one_is_remembered() -> None:
    page = client(web_token=TOKEN, web_host="0.0.0.0", address="http://robot:8080")
    assert page.get("/").status_code == 401
    assert page.get("/", params={"token": "abcdefghijkm"}).status_code == 401
    assert page.get("/parameters.yaml", headers={"cookie": "bodyseg_8080=wrong"}).status_code == 401
    with pytest.raises(WebSocketDisconnect), page.websocket_connect("ws://robot:8080/live"):
        pass
    first = page.get("/", params={"token": TOKEN}, follow_redirects=False)
    assert first.status_code == 303
    assert "HttpOnly" in first.headers["set-cookie"]
    assert "SameSite=strict" in first.headers["set-cookie"]
    assert page.get("/").status_code == 200
    with page.websocket_connect("ws://robot:8080/live") as socket:
        assert socket.receive_json()["state"]["title"] == "/bodyseg"


def test_a_short_token_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match="web_token is 'secret', but it must be empty, or 12 to 200"):
        build(PageSettings, {"web_token": "secret"})


def test_the_state_has_the_live_parameters_and_their_ranges() -> None:
    with client().websocket_connect(LIVE) as socket:
        state = socket.receive_json()["state"]
    controls = {control["name"]: control for control in state["controls"]}
    assert controls.keys() == {"threshold", "word"}
    assert (controls["threshold"]["minimum"], controls["threshold"]["maximum"]) == (0, 1)
    assert state["values"] == {"threshold": 0.5, "word": ""}
    assert (state["layers"], state["figures"], state["changes"]) == (["mask", "camera"], {"rate_hz": "29.97"}, False)


def test_parameters_are_read_only_unless_allowed() -> None:
    with client().websocket_connect(LIVE) as socket:
        socket.receive_json()
        socket.send_json({"set": {"threshold": 0.25}})
        answer = _after_news(socket)
    assert "read-only" in answer["refused"]
    assert answer["news"]["values"]["threshold"] == 0.5


def test_a_change_applies_and_a_wrong_one_is_refused_with_the_allowed_values() -> None:
    with client(web_changes=True).websocket_connect(LIVE) as socket:
        socket.receive_json()
        socket.send_json({"set": {"threshold": 0.25}})
        assert socket.receive_json()["news"]["values"]["threshold"] == 0.25
        socket.send_json({"set": {"threshold": 7}})
        answer = _after_news(socket)
        assert answer["refused"] == "Parameter threshold is 7, but it must be a number from 0 to 1."
        assert answer["news"]["values"]["threshold"] == 0.25


@pytest.mark.parametrize("text", ["{", "[]", '"next"', '{"set": 3}', '{"set": {"treshold": 1}}'])
def test_what_is_no_message_is_answered_and_the_socket_lives(text: str) -> None:
    with client(web_changes=True).websocket_connect(LIVE) as socket:
        socket.receive_json()
        socket.send_text(text)
        if text not in ("[]", '"next"'):
            assert _after_news(socket)["refused"]
        socket.send_json({"set": {"threshold": 0.75}})
        assert _until(lambda: _after_news(socket, key="news")["news"]["values"]["threshold"] == 0.75)


def _after_news(socket: Any, key: str = "refused") -> dict[str, Any]:
    """The next answer that has a key; figures come in between."""
    while True:
        message: dict[str, Any] = socket.receive_json()
        if key in message:
            return message


def _until(holds: Callable[[], bool]) -> bool:
    return any(holds() for _ in range(20))


def test_the_saved_parameters_are_a_file_that_gives_them_back(tmp_path: Path) -> None:
    page = client(web_changes=True)
    given = {"threshold": 0.125, "word": "5e-1"}
    with page.websocket_connect(LIVE) as socket:
        socket.receive_json()
        socket.send_json({"set": given})
        socket.receive_json()
    answer = page.get("/parameters.yaml")
    assert "attachment" in answer.headers["content-disposition"]
    (tmp_path / "saved.yaml").write_text(answer.text, encoding="utf-8")
    assert read_params_file(tmp_path / "saved.yaml") == given


def test_a_photo_comes_back_as_a_picture_and_no_photo_as_a_sentence() -> None:
    answer = client().post("/photo", params={"layer": "mask"}, content=b"photo")
    assert answer.headers["content-type"] == "image/jpeg"
    image = np.asarray(Image.open(io.BytesIO(answer.content)))
    assert image.shape == (8, 12, 3)
    np.testing.assert_allclose(image.mean((0, 1)), (250, 10, 10), atol=4)
    refused = client().post("/photo", params={"layer": "mask"}, content=b"text")
    assert (refused.status_code, refused.text) == (422, "That is no photo.")


def test_a_viewer_gets_as_many_pictures_as_it_asks_for_and_the_newest() -> None:
    viewers = Viewers()
    with client(viewers).websocket_connect(LIVE) as socket:
        socket.receive_json()
        assert viewers.watched == frozenset()
        socket.send_json({"next": "mask"})
        _wait(lambda: "mask" in viewers.watched)
        for gray in (10, 60, 200):
            viewers.show("mask", np.full((8, 8), gray, np.uint8), 90)
            if gray == 10:
                assert _gray(socket) == 10
        assert viewers.watched == frozenset()  # it asked for one, and has it
        socket.send_json({"next": "mask"})
        _wait(lambda: "mask" in viewers.watched)
        viewers.show("mask", np.full((8, 8), 120, np.uint8), 90)
        assert _gray(socket) == 120  # 60 and 200 were for nobody


def _gray(socket: Any) -> int:
    while True:
        message = socket.receive()
        if message.get("bytes"):
            return int(np.asarray(Image.open(io.BytesIO(message["bytes"]))).mean().round())


def _wait(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_transparent_pixels_do_not_show_what_lies_under_them() -> None:
    viewers = Viewers()
    hidden = np.full((16, 16, 4), 255, np.uint8)
    hidden[..., 3] = 0
    viewers.show("effects", hidden, 95)
    picture = viewers.newest("effects")
    assert picture is not None
    assert abs(int(np.asarray(Image.open(io.BytesIO(picture.jpeg()))).max()) - 96) < 4


def test_a_stalled_viewer_neither_delays_the_other_nor_the_one_who_shows() -> None:
    """One asks and never reads on; the other takes 60 pictures meanwhile."""

    async def look() -> tuple[int, float]:
        viewers, taken, longest = Viewers(), 0, 0.0
        with viewers.enter() as stalled, viewers.enter() as quick:
            stalled.ask("mask")
            for number in range(60):
                quick.ask("mask")
                began = time.perf_counter()
                viewers.show("mask", np.full((480, 640), number, np.uint8), 90)
                longest = max(longest, time.perf_counter() - began)
                picture = await asyncio.wait_for(quick.next(), 1)
                taken += np.asarray(Image.open(io.BytesIO(picture.jpeg())))[0, 0] == number
        return taken, longest

    taken, longest = asyncio.run(look())
    assert taken == 60
    assert longest < 0.1  # nothing is encoded or sent by the thread that shows


def test_a_port_in_use_is_a_sentence() -> None:
    first = PageServer(Camera(), Viewers(), PageSettings(web_port=0))
    try:
        port = int(first.address.rstrip("/").rpartition(":")[2])
        with pytest.raises(GraphError, match=f"cannot use 127.0.0.1, port {port}: .*Choose another web_port"):
            PageServer(Camera(), Viewers(), PageSettings(web_port=port))
    finally:
        first.close()


def test_on_other_addresses_there_is_always_a_token() -> None:
    server = PageServer(Camera(), Viewers(), PageSettings(web_host="0.0.0.0"))
    try:
        assert len(server.address.partition("?token=")[2]) >= 16
    finally:
        server.close()
    assert not [one for one in threading.enumerate() if one.name == "live page"]
