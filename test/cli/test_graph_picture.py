"""`bodyseg models inspect --svg`: the graph of every format, as a picture."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from bodyseg_ros.cli.graph_picture import draw_graph
from bodyseg_ros.cli.models import app
from bodyseg_ros.errors import ModelFileError
from bodyseg_ros.formats import GraphNode

SVG = "{http://www.w3.org/2000/svg}"
SHIPPED = Path(__file__).parents[2] / "models/bodyseg-mobilenet-075"


def boxes(picture: str) -> list[tuple[str, float, float]]:
    """(words, x, y) of each box."""
    groups = ElementTree.fromstring(picture).findall(f"{SVG}g")[1:]
    shapes = [(group.find(f"{SVG}title"), group.find(f"{SVG}rect")) for group in groups]
    return [(title.text, float(rect.get("x")), float(rect.get("y"))) for title, rect in shapes]


def test_a_residual_block_is_drawn_from_top_to_bottom() -> None:
    nodes = [
        GraphNode("Add", ("b", "d"), ("e",)),  # files may have any order
        GraphNode("Conv", ("a", "weights"), ("b",)),
        GraphNode("Conv", ("b", "more weights"), ("c",)),
        GraphNode("Relu", ("c",), ("d",)),
        GraphNode("Shape", ("weights",), ("f",)),  # of a constant: not shown
    ]
    picture = draw_graph(nodes, ["a"], "a <b>")
    drawn = boxes(picture)
    assert sorted(words for words, *_ in drawn) == ["Add", "Conv", "Conv + Relu", "input"]
    rows = sorted((y, words) for words, _, y in drawn)
    assert [words for _, words in rows] == ["input", "Conv", "Conv + Relu", "Add"]
    assert len({x for _, x, _ in drawn}) == 1  # one below the other
    lines = ElementTree.fromstring(picture).find(f"{SVG}g").findall(f"{SVG}path")
    assert len(lines) == 4  # input–conv, conv–conv, conv–add, and around it conv–add


def test_branches_lie_beside_each_other() -> None:
    nodes = [GraphNode("Conv", ("a",), (name,)) for name in "bcd"]
    places = [(x, y) for words, x, y in boxes(draw_graph(nodes, ["a"], "three")) if words == "Conv"]
    assert len({y for _, y in places}) == 1 and len({x for x, _ in places}) == 3


def test_a_huge_graph_is_refused() -> None:
    nodes = [GraphNode("Conv", (str(i),), (str(i + 1),)) for i in range(1001)]
    with pytest.raises(ModelFileError, match="huge has 1,002 boxes; at most 1,000"):
        draw_graph(nodes, ["0"], "huge")


@pytest.mark.parametrize("suffix", ["tflite", "json"])
def test_the_shipped_network_is_drawn(tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("ai_edge_litert" if suffix == "tflite" else "tensorflow")
    picture = tmp_path / "graph.svg"
    result = CliRunner().invoke(app, ["inspect", str(SHIPPED / f"model-stride16.{suffix}"), "--svg", str(picture)])
    assert result.exit_code == 0 and str(picture) in result.output
    words = [words.lower().replace("_", "") for words, *_ in boxes(picture.read_text())]
    # 14 blocks, of which 13 have a depthwise layer, two contexts with one each, and eight heads.
    assert sum(word.startswith("depthwise") for word in words) == 13 + 2
    assert sum(word.startswith("conv") for word in words) == 14 + 2 * 2 + 8
