"""The examples of the library's docstrings and pages, run with the network that ships."""

from __future__ import annotations

import doctest
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage import data

import bodyseg_ros as bodyseg

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def names() -> Iterator[dict[str, Any]]:
    """An image, a model, a result and a person: the portrait that comes with scikit-image."""
    image = np.array(Image.fromarray(data.astronaut()).resize((320, 320)))
    with bodyseg.load("bodyseg-mobilenet-075") as model:
        result = model(image)
        yield {
            "bodyseg": bodyseg,
            "np": np,
            "image": image,
            "model": model,
            "result": result,
            "person": result[0],
        }


@pytest.fixture(autouse=True)
def photos(names: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder to work in, with photo.jpg and a folder of photos."""
    photo = Image.fromarray(names["image"])
    (tmp_path / "holiday").mkdir()
    photo.save(tmp_path / "photo.jpg", quality=95)
    photo.save(tmp_path / "holiday/beach.jpg", quality=95)
    monkeypatch.chdir(tmp_path)


class Checker(doctest.OutputChecker):
    """Figures are those of the network that shipped when the example was written: another one finds others."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        want, got = (re.sub(r"\d+(\.\d+)?", "7", text) for text in (want, got))
        return super().check_output(want, got, optionflags)


def documented() -> dict[str, str]:
    """Docstrings of the package and of all its public classes and functions, methods and properties included."""
    found = {"bodyseg_ros": bodyseg.__doc__}
    for name in bodyseg.__all__:
        item = getattr(bodyseg, name)
        if not callable(item) or (isinstance(item, type) and issubclass(item, Exception)):
            continue
        found[name] = item.__doc__
        for key, value in vars(item).items() if isinstance(item, type) else ():
            if not key.startswith("_") and (callable(value) or isinstance(value, property | cached_property)):
                found[f"{name}.{key}"] = value.__doc__
    return found


#: What `segment` rests on, and what speaks for itself.
WITHOUT_EXAMPLE = {"TrackState", "EventKind", "Model.run", "Model.steps", "Model.close", "Poses.only", "Frame.size"}
NEED_SUPERVISION = {"Result.to_supervision", "Result.to_supervision_keypoints"}
DOCUMENTED = documented()


@pytest.mark.parametrize("name", sorted(DOCUMENTED.keys() - WITHOUT_EXAMPLE))
def test_an_example_gives_what_it_shows(name: str, names: dict[str, Any]) -> None:
    if name in NEED_SUPERVISION:
        pytest.importorskip("supervision", reason="supervision is not installed: pip install supervision")
    example = doctest.DocTestParser().get_doctest(DOCUMENTED[name], dict(names), name, None, None)
    assert example.examples, f"{name} has no example"
    said: list[str] = []
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    runner = doctest.DocTestRunner(Checker(), verbose=False, optionflags=flags)
    runner.run(example, out=said.append, clear_globs=False)
    assert not said, "".join(said)


@pytest.mark.parametrize("page", ["README.md", "docs/library.md"])
def test_the_pages_code_runs(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    """All Python blocks of a page, one after the other, as somebody pastes them."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    there: dict[str, Any] = {}
    try:
        for block in blocks:
            exec(block, there)
    finally:
        there["model"].close()
    assert Path("seen.png").is_file()
    assert "Result" in capsys.readouterr().out or page == "README.md"


def test_a_comment_behind_a_value_is_true(names: dict[str, Any]) -> None:
    """What docs/library.md says of shapes and types."""
    result, person = names["result"], names["person"]
    kinds = {name: str(getattr(result, name).dtype) for name in ("person", "confidence", "parts", "instances")}
    assert kinds == {"person": "uint8", "confidence": "float32", "parts": "int8", "instances": "int16"}
    assert result.label(12) == "torso_front"
    assert (person.keypoints.shape, person.keypoint_scores.shape, person.polygon[0].shape[1]) == ((17, 2), (17,), 2)
