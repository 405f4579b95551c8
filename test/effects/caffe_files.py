"""Write small Caffe networks: prototxt and caffemodel, by the field numbers of BVLC Caffe 1.0's caffe.proto."""

from __future__ import annotations

from pathlib import Path

import numpy as np

_INPUTS = "".join(
    f'input: "{name}"\ninput_dim: 1\ninput_dim: {channels}\ninput_dim: {{side}}\ninput_dim: {{side}}\n'
    for name, channels in (("data", 3), ("mask", 1))
)
_LAYERS = """
layer {{ name: "concat" type: "Concat" bottom: "data" bottom: "mask" top: "data_all" concat_param {{ axis: 1 }} }}
layer {{
  name: "output-h" type: "Convolution" bottom: "data_all" top: "output-h"
  convolution_param {{ num_output: {outputs} kernel_size: 1 }}
}}
"""


def write_caffe_network(folder: Path, weights: np.ndarray, bias: np.ndarray, side: int) -> Path:
    """Write deploy.prototxt and harmonize.caffemodel in the form of Deep Image Harmonization; return the latter's path.

    Inputs 'data', 1×3×side×side, and 'mask', 1×1×side×side; a 1×1 convolution of weights (outputs, 4), bias (outputs,).
    """
    text = 'name: "small"\n' + (_INPUTS + _LAYERS).format(side=side, outputs=len(weights))
    (folder / "deploy.prototxt").write_text(text)
    blobs = _blob(weights.reshape(*weights.shape, 1, 1)) + _blob(bias)
    layer = _text(1, "output-h") + _text(2, "Convolution") + blobs
    path = folder / "harmonize.caffemodel"
    path.write_bytes(_text(1, "small") + _bytes(100, layer))
    return path


def _blob(values: np.ndarray) -> bytes:
    shape = _bytes(1, b"".join(_varint(side) for side in values.shape))
    return _bytes(7, _bytes(7, shape) + _bytes(5, values.astype("<f4").tobytes()))


def _text(field: int, text: str) -> bytes:
    return _bytes(field, text.encode())


def _bytes(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])
