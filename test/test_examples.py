"""The scripts and the notebook in examples/ do what they say, on public-domain samples."""

from __future__ import annotations

import ast
import json
import re
import runpy
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

import bodyseg_ros as bodyseg
from bodyseg_ros.ros.nodes.outputs import OUTPUTS

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
#: Rows and columns of the astronaut's face: (top, bottom, left, right).
FACE = (80, 140, 190, 260)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with the astronaut, and a street of bricks without anybody."""
    folder = tmp_path / "holiday"
    folder.mkdir()
    Image.fromarray(data.astronaut()).save(folder / "astronaut.jpg", quality=95)
    Image.fromarray(data.brick()).convert("RGB").save(folder / "brick.jpg", quality=95)
    return folder


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Twelve frames in which the astronaut moves to the right, 12 px a frame."""
    pytest.importorskip("av", reason="PyAV is not installed: pip install '.[video]'")
    path = tmp_path / "clip.mp4"
    astronaut = np.asarray(Image.fromarray(data.astronaut()).resize((256, 256)))
    with bodyseg.open_sink(path, Fraction(10)) as write:
        for number in range(12):
            image = np.full((256, 480, 3), 120, np.uint8)
            image[:, 20 + 12 * number : 276 + 12 * number] = astronaut
            write(image, bodyseg.Frame(image, number * 10**8))
    return path


def run(name: str, *arguments: object) -> None:
    before = sys.argv
    sys.argv = [name, *map(str, arguments)]
    try:
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    finally:
        sys.argv = before


def test_follow_person_turns_with_the_person(video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("follow_person.py", video)
    lines = re.findall(r"person (\d+), turn ([+-][\d.]+), height ([\d.]+)", capsys.readouterr().out)
    assert len(lines) >= 11
    assert {person for person, *_ in lines} == {"1"}
    turns = [float(turn) for _, turn, _ in lines]
    # 12 px a frame of 480 px: 0.05 of the range from -1 to 1.
    assert np.polyfit(range(len(turns)), turns, 1)[0] == pytest.approx(0.05, rel=0.2)
    assert all(0.6 < float(height) <= 1 for *_, height in lines)


def test_count_people_counts_one(video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("count_people.py", video)
    assert capsys.readouterr().out.splitlines()[-1] == "different people: 1"


def test_blur_faces_changes_the_face_and_not_the_rest(photos: Path, tmp_path: Path) -> None:
    run("blur_faces.py", photos, tmp_path / "blurred")
    before, after = (
        np.asarray(Image.open(folder / "astronaut.jpg"), np.int16) for folder in (photos, tmp_path / "blurred")
    )
    top, bottom, left, right = FACE
    # What is left of the face's fine detail: differences of neighbors.
    sharpness = [np.abs(np.diff(image[top:bottom, left:right], axis=1)).mean() for image in (before, after)]
    assert sharpness[1] < 0.6 * sharpness[0]
    assert np.abs(after[300:, :100] - before[300:, :100]).mean() < 3
    assert (tmp_path / "blurred/brick.jpg").is_file()


def test_supervisions_annotators_draw_on_the_person(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("supervision", reason="supervision is not installed: pip install supervision")
    run("annotate_with_supervision.py", photos / "astronaut.jpg", tmp_path / "annotated.png")
    assert capsys.readouterr().out.startswith("1 people")
    changed = np.asarray(Image.open(tmp_path / "annotated.png")) != np.asarray(Image.open(photos / "astronaut.jpg"))
    assert changed[300:450, 100:250].any(axis=2).mean() > 0.8  # the body
    assert not changed[:60, 400:].any()  # the background


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools under NumPy 2
def test_export_coco_is_read_by_pycocotools(photos: Path, tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed: pip install pycocotools")
    run("export_coco.py", photos, tmp_path / "people.json")
    read = coco.COCO(str(tmp_path / "people.json"))
    (image,) = [image for image in read.dataset["images"] if image["file_name"] == "astronaut.jpg"]
    (person,) = read.loadAnns(read.getAnnIds(imgIds=image["id"]))
    assert read.annToMask(person).sum() == person["area"]
    assert not read.getAnnIds(imgIds=[one["id"] for one in read.dataset["images"] if one is not image])


def test_the_node_subscribes_to_topics_that_bodyseg_publishes() -> None:
    """It runs where ROS is; here its names are looked at: rclpy comes with ROS, not with pip."""
    path = EXAMPLES / "pair_image_and_mask.py"
    constants = {node.value for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Constant)}
    named = {text for text in constants if isinstance(text, str) and re.fullmatch(r"/bodyseg/\w+", text)}
    assert named
    assert named <= {output.topic.replace("~", "/bodyseg") for output in OUTPUTS}
    pytest.importorskip("rclpy", reason="rclpy is not installed: source a ROS 2 workspace to run this example")
    pytest.importorskip("cv_bridge", reason="cv_bridge is not installed: apt install ros-$ROS_DISTRO-cv-bridge")
    runpy.run_path(str(path), run_name="example")


def test_the_notebook_runs() -> None:
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed: pip install nbformat")
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed: pip install nbclient")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed: pip install ipykernel")
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install matplotlib")
    notebook = nbformat.read(EXAMPLES / "first_steps.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "saved without outputs, so that diffs stay readable"
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    said = "".join(output.get("text", "") for output in outputs)
    shares = [float(number) for number in re.findall(r"'(0\.\d+)'", said)]
    assert shares == sorted(shares, reverse=True) and len(set(shares)) > 1  # a higher threshold gives a smaller mask
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 2


def test_the_table_lists_every_example() -> None:
    table = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    files = [path.name for path in EXAMPLES.iterdir() if path.name != "README.md" and path.name != "__pycache__"]
    assert len(files) >= 8
    assert [name for name in files if name not in table] == []


def test_the_examples_json_is_what_jupyter_writes() -> None:
    notebook = json.loads((EXAMPLES / "first_steps.ipynb").read_text(encoding="utf-8"))
    assert (notebook["nbformat"], {cell["cell_type"] for cell in notebook["cells"]}) == (4, {"code", "markdown"})
