"""What is read from .onnx files is what the package onnx says of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bodyseg_ros.errors import ModelFileError
from bodyseg_ros.formats import FileFacts, onnx_facts, read_onnx

onnx = pytest.importorskip("onnx")
FILES = ["onnx/bodypix_050_stride16.onnx", "portrait/prisma_nchw.onnx", "portrait/SINet_Softmax.onnx"]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    from engines.small import onnx as write

    return write(tmp_path_factory.mktemp("onnx")).path.read_bytes()


@pytest.mark.parametrize("name", FILES)
def test_it_is_the_packages(shared: Path, name: str) -> None:
    path = shared / "models" / name
    graph, found = onnx.load(str(path)).graph, read_onnx(path)

    def shapes(entries: list) -> list:
        sides = lambda entry: tuple(side.dim_value or None for side in entry.type.tensor_type.shape.dim)  # noqa: E731
        return [(entry.name, sides(entry)) for entry in entries]

    weights = {weight.name for weight in graph.initializer}
    assert [(e.name, e.shape) for e in found.inputs] == shapes([e for e in graph.input if e.name not in weights])
    assert [(e.name, e.shape) for e in found.outputs] == shapes(list(graph.output))
    assert {e.dtype for e in (*found.inputs, *found.outputs)} == {"float32"}
    assert found.ops == Counter(node.op_type for node in graph.node)


def model(node: object, *weights: object) -> bytes:
    helper = onnx.helper
    info = helper.make_tensor_value_info
    graph = helper.make_graph([node], "g", [info("x", 2, [1, "h"])], [info("y", 7, [])], list(weights))
    return helper.make_model(graph).SerializeToString()


def test_types_and_foreign_ops() -> None:
    facts = onnx_facts(model(onnx.helper.make_node("Gelu", ["x"], ["y"], domain="com.microsoft")), Path("a.onnx"))
    assert [(e.name, e.dtype, e.shape) for e in facts.inputs] == [("x", "uint8", (1, None))]
    assert [(e.name, e.dtype, e.shape) for e in facts.outputs] == [("y", "int64", ())]
    assert facts.ops == {"com.microsoft::Gelu": 1}


def test_external_data_is_refused_wherever_it_may_stand() -> None:
    away = onnx.TensorProto(name="w", data_type=1, dims=[1], data_location=onnx.TensorProto.EXTERNAL)
    sparse = onnx.SparseTensorProto(dims=[4], values=away)
    plain = onnx.helper.make_node("Identity", ["x"], ["y"])

    def built(**of_graph: object) -> onnx.ModelProto:
        whole = onnx.ModelProto.FromString(model(plain))
        whole.graph.MergeFrom(onnx.GraphProto(**of_graph))
        return whole

    in_function = built()
    function = in_function.functions.add(name="f", domain="d")
    function.node.add(op_type="Constant").attribute.add(name="value", t=away, type=4)
    in_training = built()
    in_training.training_info.add().algorithm.initializer.add().CopyFrom(away)
    in_sparse_attribute = built()
    in_sparse_attribute.graph.node[0].attribute.add(name="sparse_value", sparse_tensor=sparse, type=11)
    for whole in (built(sparse_initializer=[sparse]), in_function, in_training, in_sparse_attribute):
        with pytest.raises(ModelFileError, match="'w' in another file"):
            onnx_facts(whole.SerializeToString(), Path("a.onnx"))


def test_loops_are_refused() -> None:
    body = onnx.helper.make_graph([], "body", [], [])
    loop = onnx.helper.make_node("Loop", ["", "", "x"], ["y"], body=body)
    branch = onnx.helper.make_graph([loop], "branch", [], [])
    for node in (loop, onnx.helper.make_node("If", ["x"], ["y"], then_branch=branch, else_branch=branch)):
        with pytest.raises(ModelFileError, match="'Loop'"):
            onnx_facts(model(node), Path("a.onnx"))


def test_millions_of_empty_nodes_are_refused_at_once() -> None:
    nodes = b"\x0a\x00" * 2_000_000  # GraphProto.node, of no length
    graph = b"\x3a" + bytes([len(nodes) & 127 | 128, len(nodes) >> 7 & 127 | 128, len(nodes) >> 14 & 127 | 128])
    graph += bytes([len(nodes) >> 21]) + nodes
    with pytest.raises(ModelFileError, match="more than 100,000"):
        onnx_facts(graph + b"\x42\x02\x10\x12", Path("a.onnx"))


def test_names_that_are_no_utf8_are_a_sentence() -> None:
    data = model(onnx.helper.make_node("Identity", ["x"], ["y"])).replace(b"Identity", b"Ident\xff\xfey")
    with pytest.raises(ModelFileError, match=r"a\.onnx.*utf-8"):
        onnx_facts(data, Path("a.onnx"))


def test_weights_in_other_files_are_refused() -> None:
    away = onnx.TensorProto(name="w", data_type=1, dims=[1], data_location=onnx.TensorProto.EXTERNAL)
    away.external_data.add(key="location", value="../../etc/passwd")
    inner = onnx.helper.make_graph([], "inner", [], [], [away])
    nodes = {
        "at the top": model(onnx.helper.make_node("Add", ["x", "w"], ["y"]), away),
        "in a constant": model(onnx.helper.make_node("Constant", [], ["y"], value=away)),
        "in a branch": model(onnx.helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner)),
    }
    for data in nodes.values():
        with pytest.raises(ModelFileError, match=r"a.onnx'.*'w'.*one file"):
            onnx_facts(data, Path("a.onnx"))


@pytest.mark.parametrize("text", [b"", b"hello, this is no model at all\n", b"\x08\x08"])
def test_no_onnx(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "notes.onnx"
    path.write_bytes(text)
    with pytest.raises(ModelFileError, match=r"notes.onnx'.*ONNX"):
        read_onnx(path)


@pytest.mark.parametrize("share", [0.001, 0.3, 0.6, 0.99])
def test_cut_off(network: bytes, share: float) -> None:
    with pytest.raises(ModelFileError, match="damaged or cut off"):
        onnx_facts(network[: int(len(network) * share)], Path("small.onnx"))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damage_is_an_error_or_harmless(network: bytes, data: st.DataObject) -> None:
    damaged = bytearray(network)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(network) - 1))] = data.draw(st.integers(0, 255))
    try:
        facts = onnx_facts(bytes(damaged), Path("small.onnx"))
    except ModelFileError:
        return
    assert isinstance(facts, FileFacts)
