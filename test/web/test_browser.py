"""The live page in a real browser: Chromium without a screen, driven through its DevTools."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from skimage import data

from on_the_page import THRESHOLD, WHITE, choose, set_threshold

pytest.importorskip("uvicorn", reason="uvicorn is not installed: pip install '.[web]'")

DROP = """([bytes, type]) => {
  const files = new DataTransfer();
  files.items.add(new File([new Uint8Array(bytes)], "photo.jpg", { type }));
  document.dispatchEvent(new DragEvent("drop", { bubbles: true, dataTransfer: files }));
}"""


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """scikit-image's astronaut: one person, a third of the picture."""
    path = tmp_path_factory.mktemp("web") / "astronaut.jpg"
    Image.fromarray(data.astronaut()).save(path, quality=92)
    return path


@pytest.fixture(scope="module")
def address(photo: Path) -> Iterator[str]:
    """Of `bodyseg web` on a photo."""
    command = [sys.executable, "-m", "bodyseg_ros.cli.main", "web", str(photo), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as served:
        assert served.stderr
        found = next(filter(None, (re.search(r"http://\S+", line) for line in served.stderr)))
        try:
            yield found.group()
        finally:
            served.terminate()
            assert served.wait(20) == 0


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """The page with a picture on it; whatever it complains of fails the test."""
    complaints: list[str] = []
    with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        page = context.new_page()
        page.on("pageerror", lambda err: complaints.append(str(err)))
        page.on("console", lambda line: complaints.append(line.text) if "Content Security" in line.text else None)
        page.goto(address)
        page.wait_for_selector("#picture:not([hidden])")
        yield page
    assert complaints == []


def wait_for(holds: Any, seconds: float = 20.0) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_slider_changes_the_picture_and_a_reload_keeps_all(page: Any) -> None:
    choose(page, "mask")
    wait_for(lambda: page.evaluate(WHITE) > 0)
    before, threshold = page.evaluate(WHITE), float(page.locator(THRESHOLD).input_value())
    assert 0.2 < before < 0.6
    set_threshold(page, 0.99)
    wait_for(lambda: 0 < page.evaluate(WHITE) < before - 0.01)
    page.reload()
    page.wait_for_selector("#picture:not([hidden])")
    assert page.get_by_role("radio", name="mask").get_attribute("aria-checked") == "true"
    assert page.locator(THRESHOLD).input_value() == "0.99"
    assert "segmentation_threshold: 0.99" in page.request.get(f"{page.url}parameters.yaml").text()
    set_threshold(page, threshold)
    wait_for(lambda: abs(page.evaluate(WHITE) - before) < 0.005)


def test_a_dropped_photo_shows_its_mask(page: Any, photo: Path) -> None:
    choose(page, "mask")
    cut = photo.with_name("left.jpg")
    with Image.open(photo) as image:
        image.crop((0, 0, 380, 512)).save(cut)
    page.evaluate(DROP, [list(cut.read_bytes()), "image/jpeg"])
    wait_for(lambda: page.evaluate("document.getElementById('picture').width") == 380)
    assert 0.2 < page.evaluate(WHITE) < 0.9
    page.get_by_role("button", name="Back to the camera").click()
    wait_for(lambda: page.evaluate("document.getElementById('picture').width") == 512)


def test_what_is_no_photo_is_said_on_the_page(page: Any) -> None:
    page.evaluate(DROP, [[1, 2, 3], "image/jpeg"])
    page.wait_for_selector("#refused:not([hidden])")
    assert "is not a supported photo" in page.locator("#refused").inner_text()


def test_the_page_fits_a_phone(page: Any) -> None:
    page.set_viewport_size({"width": 360, "height": 780})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    box = page.locator("#stage").bounding_box()
    assert box["width"] > 300
    assert box["y"] + box["height"] < 780
    assert page.evaluate("document.querySelector('#figures dd').textContent").endswith("Hz")
