"""Draw a network's graph as SVG: a box per op, or per op with what follows it alone, from top to bottom."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

from ..errors import ModelFileError
from ..formats import GraphNode

__all__ = ["draw_graph"]

#: Ops that share the box of the op before them, in lower case without underscores.
_FOLLOWERS: Final = (
    "biasadd", "relu", "relu6", "clip", "clamp", "fusedbatchnorm", "fusedbatchnormv2", "fusedbatchnormv3",
    "batchnormalization", "identity", "sigmoid", "logistic", "prelu", "hardswish",
)  # fmt: skip
#: Start of an op's name → color of its box.
_COLORS: Final = {
    "input": "#cfe8cf", "conv": "#cfe0f5", "depthwise": "#dfd3f0", "groupconv": "#dfd3f0", "transposeconv": "#cfe0f5",
    "add": "#f7e3c4", "mul": "#f7e3c4", "concat": "#f7e3c4", "resize": "#f5d3d3",
}  # fmt: skip
_MOST_BOXES: Final = 1000
_BOX_W, _BOX_H, _GAP_X, _GAP_Y, _MARGIN = 250, 26, 14, 22, 20
#: Longest text of a box, letters.
_LETTERS: Final = 36


@dataclass
class _Box:
    """ops: shown in it. sources: boxes that it reads. level: row, counted from the inputs. x: left edge, px."""

    ops: list[str]
    sources: list[_Box]
    level: int = 0
    x: float = 0.0

    @property
    def y(self) -> float:
        return _MARGIN + self.level * (_BOX_H + _GAP_Y)


def draw_graph(nodes: Sequence[GraphNode], inputs: Iterable[str], title: str) -> str:
    """Return an SVG picture of ops in an order in which each comes after those it reads.

    Raises ModelFileError for more than 1,000 boxes.
    """
    boxes = _boxes(nodes, inputs)
    if len(boxes) > _MOST_BOXES:
        raise ModelFileError(f"The graph of {title} has {len(boxes):,} boxes; at most {_MOST_BOXES:,} are drawn.")
    rows: dict[int, list[_Box]] = {}
    for box in boxes:
        rows.setdefault(box.level, []).append(box)
    width = max(len(row) for row in rows.values()) * (_BOX_W + _GAP_X) + 2 * _MARGIN
    for row in rows.values():
        row.sort(key=lambda box: sum(source.x for source in box.sources) / max(1, len(box.sources)))
        left = (width - len(row) * (_BOX_W + _GAP_X) + _GAP_X) / 2
        for place, box in enumerate(row):
            box.x = left + place * (_BOX_W + _GAP_X)
    height = max(box.y for box in boxes) + _BOX_H + _MARGIN
    lines = [line for box in boxes for source in box.sources for line in _line(source, box)]
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height:g}" font-family="sans-serif" '
        f'font-size="12"><title>{escape(title)}</title><rect width="100%" height="100%" fill="white"/>',
        '<g fill="none" stroke="#888">', *lines, "</g>", *(_shape(box) for box in boxes), "</svg>\n",
    ])  # fmt: skip


def _boxes(nodes: Sequence[GraphNode], inputs: Iterable[str]) -> list[_Box]:
    boxes = [_Box(["input"], []) for _ in inputs]
    made = dict(zip(inputs, boxes, strict=True))
    readers: dict[str, int] = {}
    for node in nodes:
        for tensor in {*node.inputs}:
            readers[tensor] = readers.get(tensor, 0) + 1
    last: dict[int, str] = {id(box): tensor for tensor, box in made.items()}
    for node in _sorted(nodes, made):
        sources = list({id(made[tensor]): made[tensor] for tensor in node.inputs if tensor in made}.values())
        if not sources:  # it computes a constant
            continue
        before = sources[0]
        follows = len(sources) == 1 and before.ops != ["input"] and readers[last[id(before)]] == 1
        if follows and last[id(before)] in node.inputs and node.op.lower().replace("_", "") in _FOLLOWERS:
            before.ops += [node.op] if node.op != "Identity" else []
            box = before
        else:
            box = _Box([node.op], sources, level=1 + max(source.level for source in sources))
            boxes.append(box)
        made |= dict.fromkeys(node.outputs, box)
        last[id(box)] = node.outputs[0]
    return boxes


def _sorted(nodes: Sequence[GraphNode], given: Iterable[str]) -> list[GraphNode]:
    """Put each op after those it reads; files may have them in any order."""
    maker = {tensor: place for place, node in enumerate(nodes) for tensor in node.outputs}
    order: list[GraphNode] = []
    state = [0] * len(nodes)  # 0: not seen, 1: its inputs come first, 2: done
    for start in range(len(nodes)):
        stack = [start]
        while stack:
            place = stack[-1]
            before = [maker[tensor] for tensor in nodes[place].inputs if tensor in maker and not state[maker[tensor]]]
            if state[place] == 0 and before:
                state[place] = 1
                stack += before
                continue
            stack.pop()
            if state[place] != 2:
                state[place] = 2
                order.append(nodes[place])
    return order


def _line(source: _Box, box: _Box) -> list[str]:
    x, y, to_x, to_y = source.x + _BOX_W / 2, source.y + _BOX_H, box.x + _BOX_W / 2, box.y
    if box.level == source.level + 1:
        return [f'<path d="M{x:g},{y:g} C{x:g},{y + 12:g} {to_x:g},{to_y - 12:g} {to_x:g},{to_y:g}"/>']
    side = x + _BOX_W / 2 + 12  # around the boxes between them
    return [f'<path d="M{x:g},{y:g} C{side:g},{y + 30:g} {side:g},{to_y - 30:g} {to_x:g},{to_y:g}"/>']


def _shape(box: _Box) -> str:
    words = " + ".join(box.ops)
    shown = words if len(words) <= _LETTERS else words[: _LETTERS - 1] + "…"
    name = box.ops[0].lower().replace("_", "")
    color = next((color for start, color in _COLORS.items() if name.startswith(start)), "#eeeeee")
    return (
        f'<g><title>{escape(words)}</title><rect x="{box.x:g}" y="{box.y:g}" width="{_BOX_W}" height="{_BOX_H}" '
        f'rx="4" fill="{color}" stroke="#888"/><text x="{box.x + _BOX_W / 2:g}" y="{box.y + 17:g}" '
        f'text-anchor="middle">{escape(shown)}</text></g>'
    )
