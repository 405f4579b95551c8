"""What tests read from the live page in a browser, and how they use its controls."""

from __future__ import annotations

from typing import Any

#: Share of white pixels of a mask as the browser shows it; -1 for a picture with other pixels than black and white.
WHITE = """() => {
  const picture = document.getElementById("picture");
  const pixels = picture.getContext("2d").getImageData(0, 0, picture.width, picture.height).data;
  let white = 0, gray = 0;
  for (let i = 0; i < pixels.length; i += 4) {
    white += pixels[i] > 215;
    gray += pixels[i] > 40 && pixels[i] <= 215;
  }
  return gray * 4 > 0.02 * pixels.length ? -1 : (white * 4) / pixels.length;
}"""
THRESHOLD = 'input[type="number"][aria-label="segmentation_threshold"]'


def choose(page: Any, layer: str) -> None:
    page.get_by_role("radio", name=layer, exact=True).click()


def set_threshold(page: Any, value: float) -> None:
    """Move the slider."""
    page.locator(THRESHOLD.replace("number", "range")).evaluate(
        "(it, value) => { it.value = value; it.dispatchEvent(new Event('input')); }", value
    )
