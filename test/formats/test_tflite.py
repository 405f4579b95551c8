"""What is read from .tflite files is what LiteRT says of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bodyseg_ros.errors import ModelFileError
from bodyseg_ros.formats import FileFacts, read_tflite, tflite_facts

FILES = {
    "bodypix": "bodypix_075_coral_int8/bodypix_mobilenet_v1_075_720_1280_16_quant.tflite",
    "decoder": "bodypix_075_coral_int8/bodypix_mobilenet_v1_075_640_480_16_quant_decoder.tflite",
    "portrait": "portrait/prisma_quant.tflite",
    "float": "portrait/prisma-net.tflite",
}


def of_litert(path: Path) -> tuple[list[tuple], list[tuple]]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))

    def facts(details: list[dict]) -> list[tuple]:
        return [
            (entry["name"], np.dtype(entry["dtype"]).name, tuple(entry["shape_signature"]), *entry["quantization"])
            for entry in details
        ]

    return facts(interpreter.get_input_details()), facts(interpreter.get_output_details())


@pytest.mark.parametrize("name", FILES)
def test_tensors_are_litert_s(shared: Path, name: str) -> None:
    path = shared / "models" / FILES[name]
    inputs, outputs = of_litert(path)
    found = read_tflite(path)
    assert [(e.name, e.dtype, e.shape, pytest.approx(e.scale), e.zero_point) for e in found.inputs] == inputs
    assert [(e.name, e.dtype, e.shape, pytest.approx(e.scale), e.zero_point) for e in found.outputs] == outputs


def test_ops(shared: Path) -> None:
    ops = read_tflite(shared / "models" / FILES["decoder"]).ops
    assert ops["PosenetDecoderOp"] == 1
    assert ops["DEPTHWISE_CONV_2D"] == 13  # MobileNetV1 has thirteen
    assert sum(ops.values()) == 7 + 1 + 21 + 13 + 1 + 1


def test_signature_names_and_open_sides(network: bytes) -> None:
    facts = tflite_facts(network, Path("small.tflite"))
    assert [(entry.name, entry.shape, entry.dtype) for entry in facts.inputs] == [
        ("sub_2", (1, None, None, 3), "float32")
    ]
    assert {entry.name: entry.shape[-1] for entry in facts.outputs} == {"float_segments": 1, "float_heatmaps": 17}
    assert all(entry.scale == 0 for entry in (*facts.inputs, *facts.outputs))


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    from engines.small import tflite

    return tflite(tmp_path_factory.mktemp("tflite"), "float16").path.read_bytes()


@pytest.mark.parametrize("text", [b"", b"TFL3", b"hello, this is no model at all\n" * 40])
def test_no_tflite(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "notes.tflite"
    path.write_bytes(text)
    with pytest.raises(ModelFileError, match=r"notes.tflite'.*header"):
        read_tflite(path)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.99])
def test_cut_off(network: bytes, share: float) -> None:
    with pytest.raises(ModelFileError, match=r"small.tflite'.*damaged"):
        tflite_facts(network[: int(len(network) * share)], Path("small.tflite"))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damage_is_an_error_or_harmless(network: bytes, data: st.DataObject) -> None:
    damaged = bytearray(network)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(8, len(network) - 1))] = data.draw(st.integers(0, 255))
    try:
        facts = tflite_facts(bytes(damaged), Path("small.tflite"))
    except ModelFileError:
        return
    assert isinstance(facts, FileFacts)
