"""Write docs/web.png and docs/web_phone.png: the live page in Chromium, on scikit-image's portrait of an astronaut.

python benchmark/page_pictures.py [FOLDER]
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright
from skimage import data

#: File, size of the window in px, scheme, layer, pixels per px.
SHOTS: list[tuple[str, int, int, Any, str, float]] = [
    ("web.png", 1280, 800, "light", "overlay", 1),
    ("web_phone.png", 390, 780, "dark", "parts", 1.5),
]
#: Until the figures of a few seconds are there.
SETTLE_S = 3.0


def main(folder: Path) -> None:
    """Serve the page, open it in each size, and take its picture."""
    with tempfile.TemporaryDirectory() as made:
        photo = Path(made) / "astronaut.jpg"
        Image.fromarray(data.astronaut()).save(photo, quality=92)
        command = [sys.executable, "-m", "bodyseg_ros.cli.main", "web", str(photo), "--port", "0"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as served, sync_playwright() as driver:
            assert served.stderr
            address = next(filter(None, (re.search(r"http://\S+", line) for line in served.stderr))).group()
            browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            for name, width, height, scheme, layer, scale in SHOTS:
                size = {"width": width, "height": height}
                page = browser.new_page(viewport=size, color_scheme=scheme, device_scale_factor=scale)
                page.goto(address)
                page.wait_for_selector("#picture:not([hidden])")
                page.get_by_role("radio", name=layer, exact=True).click()
                time.sleep(SETTLE_S)
                page.screenshot(path=folder / name)
                page.close()
                with Image.open(folder / name) as image:
                    image.convert("RGB").quantize(255).save(folder / name, optimize=True)
                print(folder / name)
            browser.close()
            served.terminate()


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"))
