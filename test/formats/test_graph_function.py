"""Graphs of every format become functions that compute what they say; others are refused by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bodyseg_ros.errors import BodysegError, ModelFileError
from bodyseg_ros.formats import ModelSource, open_model

from .tiny import expected, random, small_network, tf, traced, write_tfjs, write_v1

PICTURE = random(1, 9, 13, 3, seed=1)


def frozen(folder: Path, graph: Any, **asked: Any) -> ModelSource:
    path = folder / "graph.pb"
    path.write_bytes(graph.SerializeToString())
    return ModelSource(path, "frozen", **asked)


def run(source: ModelSource, picture: np.ndarray = PICTURE) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in open_model(source).function(tf.constant(picture)).items()}


def write_source(folder: Path, kind: str) -> ModelSource:
    graph = traced(small_network)
    if kind == "frozen":
        return frozen(folder, graph)
    if kind == "tfjs-v1":
        return ModelSource(write_v1(folder, graph), kind)
    return ModelSource(write_tfjs(folder, graph, shards=3), kind)


@pytest.mark.parametrize("kind", ["frozen", "tfjs", "tfjs-v1"])
def test_every_format_computes_the_same(tmp_path: Path, kind: str) -> None:
    source = write_source(tmp_path, kind)
    model = open_model(source)
    assert (model.input, model.dtype, model.shape[:3]) == ("sub_2", "float32", (1, None, None))
    assert model.outputs == {"float_segments": (1, None, None, 1), "float_heatmaps": (1, None, None, 17)}
    for picture in (PICTURE, random(1, 17, 5, 3, seed=2)):  # one function for all sizes
        found = model.function(tf.constant(picture))["float_segments"].numpy()
        np.testing.assert_allclose(found[0], expected(picture), atol=1e-5)


@pytest.mark.parametrize(("quantize", "tolerance"), [("uint8", 0.2), ("uint16", 1e-3), ("float16", 1e-2)])
def test_quantised_files_compute_nearly_the_same(tmp_path: Path, quantize: str, tolerance: float) -> None:
    source = ModelSource(write_tfjs(tmp_path, traced(small_network), quantize), "tfjs")
    error = np.abs(run(source)["float_segments"][0] - expected(PICTURE)).max()
    assert 0 < error < tolerance


def test_only_what_is_asked_for_is_computed(tmp_path: Path) -> None:
    source = frozen(tmp_path, traced(small_network), input="sub_2:0", outputs={"segments": "float_segments"})
    assert list(run(source)) == ["segments"]
    operations = [op.type for op in open_model(source).function.graph.get_operations()]
    assert operations.count("Conv2D") == 2


def test_a_signature_names_input_and_outputs(tmp_path: Path) -> None:
    signature = {"inputs": {"in": {"name": "sub_2:0"}}, "outputs": {"people": {"name": "float_segments:0"}}}
    path = write_tfjs(tmp_path, traced(small_network), signature=signature)
    assert list(run(ModelSource(path, "tfjs"))) == ["people"]
    assert list(run(ModelSource(path, "tfjs", outputs={"segments": "people"}))) == ["segments"]
    assert list(run(ModelSource(path, "tfjs", outputs={"heat": "float_heatmaps"}))) == ["heat"]


def node(op: str, name: str, *inputs: str, **attributes: Any) -> Any:
    made = tf.compat.v1.NodeDef(op=op, name=name, input=inputs)
    for key, value in attributes.items():
        made.attr[key].CopyFrom(value)
    return made


def attr(**value: Any) -> Any:
    if "ints" in value:
        return tf.compat.v1.AttrValue(list=tf.compat.v1.AttrValue.ListValue(i=value["ints"]))
    if "texts" in value:
        return tf.compat.v1.AttrValue(list=tf.compat.v1.AttrValue.ListValue(s=value["texts"]))
    return tf.compat.v1.AttrValue(**value)


FLOAT = {"type": 1}


def add(*nodes: Any) -> Callable[[Any], None]:
    return lambda graph: graph.node.extend(nodes)


def huge(graph: Any) -> None:
    tensor = next(item for item in graph.node if item.op == "Const").attr["value"].tensor
    tensor.ClearField("tensor_content")
    tensor.tensor_shape.dim[0].size = 2**40
    tensor.float_val.append(1)


def negative(graph: Any) -> None:
    next(item for item in graph.node if item.op == "Const").attr["value"].tensor.tensor_shape.dim[0].size = -5


def resource(graph: Any) -> None:
    next(item for item in graph.node if item.op == "Const").attr["value"].tensor.dtype = 20


def odd_channels(graph: Any) -> None:
    tensor = next(item for item in graph.node if item.name == "Conv2D/filter").attr["value"].tensor
    tensor.tensor_shape.dim[2].size, tensor.tensor_shape.dim[3].size = 4, 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (add(node("ReadFile", "spy")), r"The node 'spy' of '.*' has the op 'ReadFile'"),
        (add(node("WriteFile", "spy")), r"'spy'.*'WriteFile'"),
        (add(node("PyFunc", "spy")), r"'spy'.*'PyFunc'"),
        (add(node("StatefulPartitionedCall", "spy")), r"'spy'.*'StatefulPartitionedCall'"),
        (add(node("NoSuchOp", "odd")), r"'odd'.*'NoSuchOp'"),
        (add(node("Relu", "r", "nowhere:0")), r"The node 'r' of '.*'nowhere'"),
        (add(node("Relu", "r", "^gone")), r"'r' of '.*' takes its input from 'gone'"),
        (add(node("Relu", "sub_2", "Conv2D")), r"has the node 'sub_2' twice"),
        (add(node("Relu", "p", "q"), node("Relu", "q", "p")), r"has a cycle at the node '[pq]'"),
        (add(node("Relu", "p", "p")), r"has a cycle at the node 'p'"),
        (add(node("Placeholder", "second")), r"one input.* sub_2, second"),
        (add(node("Relu", "r", "Conv2D")), r"TensorFlow refuses the graph of .*"),
        (add(node("Relu", "r", "Conv2D:x", T=attr(**FLOAT))), r"TensorFlow refuses the graph of .*"),
        (add(node("Relu", "r", "Conv2D", T=attr(type=7))), r"TensorFlow refuses the graph of .*"),
        (lambda graph: graph.ClearField("node"), r"contains .*graph is empty"),
        (
            huge,
            r"The node 'Conv2D/filter' of '.*' has a tensor of 1099511627776×3×3×4: .*limit of 1,073,741,824",
        ),
        (negative, r"The node 'Conv2D/filter' of '.*'.*type and shape"),
        (resource, r"The node 'Conv2D/filter' of '.*'.*type and shape"),
        (odd_channels, r"TensorFlow refuses the graph of .*"),
    ],
)
def test_a_hostile_graph_is_refused_by_name(tmp_path: Path, change: Callable[[Any], None], message: str) -> None:
    graph = traced(small_network)
    change(graph)
    with pytest.raises(ModelFileError, match=message):
        open_model(frozen(tmp_path, graph))


def test_a_graph_that_asks_for_terabytes_is_not_run(tmp_path: Path) -> None:
    def build(picture: Any) -> None:
        tf.pad(picture, [[0, 0], [2**20, 0], [2**20, 0], [0, 0]], name="wide")

    with pytest.raises(
        ModelFileError, match=r"The node 'wide' of '.*' makes a tensor of \(1, 1048641, 1048641, 3\) for a"
    ):
        open_model(frozen(tmp_path, traced(build)))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"input": "picture"}, r"has no input 'picture'; its inputs are sub_2"),
        ({"input": "Conv2D"}, r"has no input 'Conv2D'; its inputs are sub_2"),
        (
            {"outputs": {"segments": "float_parts"}},
            r"has no tensor 'float_parts'.*float_segments, float_heat",
        ),
        ({"outputs": {"segments": "float_segments:7"}}, r"TensorFlow refuses the graph"),
        ({"outputs": {"segments": "Conv2D/filter"}}, r"must depend only on the image 'sub_2'.*on nothing"),
    ],
)
def test_a_tensor_that_is_not_there(tmp_path: Path, asked: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelFileError, match=message):
        open_model(frozen(tmp_path, traced(small_network), **asked))


def test_a_network_of_two_pictures(tmp_path: Path) -> None:
    def build(picture: Any) -> None:
        tf.add(picture, tf.compat.v1.placeholder(tf.float32, [1, None, None, 3], "mask"), "out")

    with pytest.raises(ModelFileError, match=r"'sub_2'.*mask, sub_2"):
        open_model(frozen(tmp_path, traced(build), input="sub_2"))


def test_formats_tensorflow_does_not_run(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"'onnx'.*tfjs, tfjs-v1, frozen, saved_model"):
        open_model(ModelSource(tmp_path / "m.onnx", "onnx"))


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_cut_and_flipped_graphs_never_end_in_another_error(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(traced(small_network).SerializeToString())
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        for _ in range(data.draw(st.integers(1, 3))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "graph.pb"
    path.write_bytes(bytes(content))
    problem = ""
    try:
        open_model(ModelSource(path, "frozen"))
    except BodysegError as err:
        problem = str(err)
    assert not problem or str(tmp_path) in problem


ALPHA = random(4, seed=5)
ACTIVATIONS = {
    "Relu": lambda x: np.maximum(x, 0),
    "Relu6": lambda x: np.clip(x, 0, 6),
    "Elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "Sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "Prelu": lambda x: np.where(x > 0, x, ALPHA * x),
    "LeakyRelu": lambda x: np.where(x > 0, x, np.float32(0.3) * x),
    "": lambda x: x,
}


def fused(op: str, filters: np.ndarray, activation: str) -> Any:
    """A graph with one fused convolution, stride 2, as a converter writes it."""

    def build(picture: Any) -> None:
        for name, value in (("filters", filters), ("bias", random(4, seed=4)), ("alpha", ALPHA)):
            tf.constant(value, name=name)

    graph = traced(build)
    inputs = ["sub_2", "filters", "bias"] + ["alpha"] * (activation == "Prelu")
    ops = [b"BiasAdd"] + [activation.encode()] * bool(activation)
    attributes = {"T": attr(**FLOAT), "strides": attr(ints=[1, 2, 2, 1]), "padding": attr(s=b"SAME")}
    attributes |= {"fused_ops": attr(texts=ops), "num_args": attr(i=len(inputs) - 2), "epsilon": attr(f=0.0)}
    attributes |= {"leakyrelu_alpha": attr(f=0.3)} if activation == "LeakyRelu" else {}
    graph.node.append(node(op, "out", *inputs, **attributes))
    return graph


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("op", ["_FusedConv2D", "FusedDepthwiseConv2dNative"])
def test_fused_is_the_same_as_unfused(tmp_path: Path, op: str, activation: str) -> None:
    filters = random(3, 3, 3, 4, seed=3) if op == "_FusedConv2D" else random(3, 3, 4, 1, seed=3)
    picture = PICTURE if op == "_FusedConv2D" else random(1, 9, 13, 4, seed=1)
    graph = fused(op, filters, activation)
    next(item for item in graph.node if item.name == "sub_2").attr["shape"].shape.dim[3].size = picture.shape[3]
    plain = tf.nn.conv2d if op == "_FusedConv2D" else tf.nn.depthwise_conv2d
    strides = [1, 2, 2, 1]
    want = ACTIVATIONS[activation](plain(picture, filters, strides, "SAME").numpy() + random(4, seed=4))
    source = frozen(tmp_path, graph, outputs={"out": "out"})
    np.testing.assert_allclose(run(source, picture)["out"], want, atol=1e-5)
    types = {item.type for item in open_model(source).function.graph.get_operations()}
    assert not types & {"_FusedConv2D", "FusedDepthwiseConv2dNative"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda out: out.attr["fused_ops"].list.s.append(b"Gelu"),
            r"'out' \(_FusedConv2D\).*the fused op 'Gelu' is unknown",
        ),
        (lambda out: out.input.pop(), r"'out' .*its input for the fused op 'BiasAdd' is missing"),
        (lambda out: out.input.__delitem__(slice(1, None)), r"The node 'out' \(_FusedConv2D\) of '.*' cannot be built"),
        (lambda out: out.attr["strides"].list.i.append(1), r"The node 'out' \(_FusedConv2D\) of '.*' cannot be built"),
        (
            lambda out: out.attr["padding"].ClearField("value"),
            r"The node 'out' \(_FusedConv2D\) of '.*' cannot be built",
        ),
        (lambda out: out.attr["T"].ClearField("value"), r"The node 'out' \(_FusedConv2D\) of '.*' cannot be built"),
    ],
)
def test_a_damaged_fused_node_is_named(tmp_path: Path, change: Callable[[Any], None], message: str) -> None:
    graph = fused("_FusedConv2D", random(3, 3, 3, 4), "Relu")
    change(graph.node[-1])
    with pytest.raises(ModelFileError, match=message):
        open_model(frozen(tmp_path, graph, outputs={"out": "out"}, input="sub_2"))


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize(("size", "rate"), [(3, 2), (3, 3), (5, 2)])
def test_dilated_depthwise_runs_without_onednn(tmp_path: Path, padding: str, size: int, rate: int) -> None:
    filters = random(size, size, 3, 1, seed=3)

    def build(picture: Any) -> None:
        tf.raw_ops.DepthwiseConv2dNative(
            input=picture, filter=filters, strides=[1] * 4, padding=padding, dilations=[1, rate, rate, 1], name="out"
        )

    spread = np.zeros(
        ((size - 1) * rate + 1,) * 2 + (3, 1), np.float32
    )  # the same filter with its gaps filled by zeros
    spread[::rate, ::rate] = filters
    source = frozen(tmp_path, traced(build))
    for picture in (random(1, 17, 20, 3), random(1, 18, 13, 3)):
        want = tf.nn.depthwise_conv2d(picture, spread, [1] * 4, padding).numpy()
        np.testing.assert_allclose(run(source, picture)["out"], want, atol=1e-5)
    operations = open_model(source).function.graph.get_operations()
    assert all(
        list(item.get_attr("dilations")) == [1] * 4 for item in operations if item.type == "DepthwiseConv2dNative"
    )


RESNET_HEADS = {
    "segments": ("float_segments", 1),
    "part_heatmaps": ("float_part_heatmaps", 24),
    "heatmaps": ("float_heatmaps", 17),
    "short_offsets": ("float_short_offsets", 34),
    "long_offsets": ("float_long_offsets", 34),
    "displacement_fwd": ("resnet_v1_50/displacement_fwd_2/BiasAdd", 32),
    "displacement_bwd": ("resnet_v1_50/displacement_bwd_2/BiasAdd", 32),
}


def small_resnet(picture: Any) -> None:
    """A ResNet's kinds of layers with the published names: padded 7×7, max pooling, bottlenecks with a short cut."""
    x = tf.pad(picture, [[0, 0], [3, 3], [3, 3], [0, 0]])
    x = tf.nn.relu(tf.nn.conv2d(x, random(7, 7, 3, 8) / 8, 2, "VALID") + random(8))
    x = tf.nn.max_pool2d(x, 3, 2, "SAME")
    for stride in (2, 2):
        inner = tf.nn.relu(tf.nn.conv2d(x, random(1, 1, 8, 4), 1, "SAME"))
        inner = tf.pad(inner, [[0, 0], [1, 1], [1, 1], [0, 0]])
        inner = tf.nn.conv2d(inner, random(3, 3, 4, 4), stride, "VALID")
        x = tf.nn.relu(tf.nn.conv2d(inner, random(1, 1, 4, 8), 1, "SAME") + tf.nn.max_pool2d(x, 1, stride, "SAME"))
    for tensor, channels in RESNET_HEADS.values():
        tf.nn.bias_add(tf.nn.conv2d(x, random(1, 1, 8, channels), 1, "SAME"), random(channels), name=tensor)


@pytest.mark.parametrize("quantize", ["", "uint16", "uint8"])
def test_a_resnet_with_the_published_names(tmp_path: Path, quantize: str) -> None:
    graph = traced(small_resnet)
    path = write_tfjs(tmp_path, graph, quantize, shards=2)
    outputs = {head: tensor for head, (tensor, _) in RESNET_HEADS.items()}
    found = run(ModelSource(path, "tfjs", "sub_2", outputs), random(1, 49, 65, 3))
    assert {head: value.shape for head, value in found.items()} == {
        head: (1, 4, 5, channels) for head, (_, channels) in RESNET_HEADS.items()
    }
    exact = run(frozen(tmp_path, graph, outputs=outputs), random(1, 49, 65, 3))
    for head, value in found.items():
        scale = np.abs(exact[head]).max()
        assert np.abs(value - exact[head]).max() <= {"": 1e-5, "uint16": 1e-3, "uint8": 0.1}[quantize] * scale
