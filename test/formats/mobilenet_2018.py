"""A BodyPix of 2018 with random weights.

mobilenet_2018_reference.npz holds the logits that the classes MobileNet and ModelWeights of @tensorflow-models/body-pix
1.1.2 compute from these weights for `picture()`, in node with tfjs 3.21 (backend cpu): for widths 0.25 and 1.0 and
output strides 8, 16 and 32.
"""

from __future__ import annotations

from typing import Any

import numpy as np

FILTERS = (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
HEADS = {"segment_2": 1, "part_heatmap_2": 24, "heatmap_2": 17, "offset_2": 34}
OUTPUTS = {head: f"output_raw_{head.removesuffix('_2')}s" for head in HEADS}
#: As they stand in the published file, of output stride 16.
STRIDES = (2, 1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 1, 1)


def random_weights(multiplier: float) -> dict[str, np.ndarray]:
    """Variable name → values, in the order of the file; the same on every machine."""
    random = np.random.RandomState(2018)
    filters = [max(8, int(count * multiplier)) for count in FILTERS]

    def kernel(*shape: int) -> np.ndarray:
        fan_in = np.prod(shape[:2]) * (shape[2] if shape[0] != 3 or shape[3] != 1 else 1)
        return (random.standard_normal(shape) * np.sqrt(2 / fan_in)).astype(np.float32)

    def bias(count: int) -> np.ndarray:
        return (0.1 * random.standard_normal(count)).astype(np.float32)

    trunk = "MobilenetV1/Conv2d_"
    weights = {f"{trunk}0/weights": kernel(3, 3, 3, filters[0]), f"{trunk}0/Conv2D_bias": bias(filters[0])}
    for block in range(1, len(filters)):
        before, after = filters[block - 1], filters[block]
        weights[f"{trunk}{block}_depthwise/depthwise_weights"] = kernel(3, 3, before, 1)
        weights[f"{trunk}{block}_depthwise/depthwise_bias"] = bias(before)
        weights[f"{trunk}{block}_pointwise/weights"] = kernel(1, 1, before, after)
        weights[f"{trunk}{block}_pointwise/Conv2D_bias"] = bias(after)
    for head, channels in HEADS.items():
        weights[f"MobilenetV1/{head}/weights"] = kernel(1, 1, filters[-1], channels)
        weights[f"MobilenetV1/{head}/Conv2D_bias"] = bias(channels)
    return weights


def picture() -> np.ndarray:
    """What the reference was shown: (97, 97, 3) uint8, blots of color."""
    blots = np.random.RandomState(97).randint(0, 256, (14, 14, 3)).astype(np.uint8)
    return blots.repeat(7, 0).repeat(7, 1)[:97, :97]


def network_graph(multiplier: float) -> Any:
    """The GraphDef as it was published, of output stride 16."""
    from bodyseg_ros.formats import load_tensorflow

    tf = load_tensorflow()
    weights = random_weights(multiplier)
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [1, None, None, 3], "sub")

        def variable(name: str) -> Any:
            return tf.constant(weights[name], name=name)

        def squashed(tensor: Any, bias: str) -> Any:
            return tf.nn.relu6(tf.nn.bias_add(tensor, variable(bias)))

        trunk = "MobilenetV1/Conv2d_"
        x = squashed(tf.nn.conv2d(x, variable(f"{trunk}0/weights"), 2, "SAME"), f"{trunk}0/Conv2D_bias")
        for block, stride in enumerate(STRIDES[1:], 1):
            layer = f"{trunk}{block}_depthwise"
            filters = variable(f"{layer}/depthwise_weights")
            strides = [1, stride, stride, 1]
            x = tf.raw_ops.DepthwiseConv2dNative(input=x, filter=filters, strides=strides, padding="SAME")
            x = squashed(x, f"{layer}/depthwise_bias")
            layer = f"{trunk}{block}_pointwise"
            x = squashed(tf.nn.conv2d(x, variable(f"{layer}/weights"), 1, "SAME"), f"{layer}/Conv2D_bias")
        for head, name in OUTPUTS.items():
            raw = tf.nn.conv2d(x, variable(f"MobilenetV1/{head}/weights"), 1, "SAME")
            tf.nn.bias_add(raw, variable(f"MobilenetV1/{head}/Conv2D_bias"), name=name)
    return graph.as_graph_def()
