"""BodyPix's and PoseNet's networks as Keras 3 models: one definition to train, fine-tune and export.

MobileNetV1 follows arXiv:1704.04861 with the strides of tfjs-models posenet 2.2.2 ``src/mobilenet.ts``; ResNet50 is the
slim ``resnet_v1_50`` that BodyPix 2 was trained with; the heads are those of PersonLab, arXiv:1803.08225.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
import numpy.typing as npt

from bodyseg_ros.errors import ModelFileError, SettingsError

Backbone = Literal["mobilenet", "resnet50"]
Array = npt.NDArray[np.float32]

BODYPIX_HEADS = {
    "segments": 1,
    "part_heatmaps": 24,
    "heatmaps": 17,
    "short_offsets": 34,
    "displacement_fwd": 32,
    "displacement_bwd": 32,
    "long_offsets": 34,
    "part_offsets": 48,
}
POSENET_HEADS = {"heatmaps": 17, "short_offsets": 34, "displacement_fwd": 32, "displacement_bwd": 32}
HEADS = {"bodypix": BODYPIX_HEADS, "posenet": POSENET_HEADS}

# Each head's variable scope in the published files.
PUBLISHED_HEADS = {
    "segments": "segment_2",
    "part_heatmaps": "part_heatmap_2",
    "heatmaps": "heatmap_2",
    "short_offsets": "offset_2",
    "displacement_fwd": "displacement_fwd_2",
    "displacement_bwd": "displacement_bwd_2",
    "long_offsets": "embedding_2",
    "part_offsets": "part_offset_2",
}

MOBILENET_FILTERS = (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 512, 512)
MOBILENET_STRIDES = (2, 1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 1, 1)
RESNET_BLOCKS = ((64, 3, 2), (128, 4, 2), (256, 6, 2), (512, 3, 1))
BATCH_NORM_EPSILON = 1e-3


class _Builder:
    """Layers of one backbone, with the stride still allowed: beyond it convolutions dilate instead."""

    def __init__(self, output_stride: int, folded: bool) -> None:
        self.left = output_stride
        self.rate = 1
        self.folded = folded

    def stride(self, wanted: int) -> tuple[int, int]:
        """Give (stride, dilation) of the next layer that would like this stride."""
        rate = self.rate
        if wanted > self.left:
            self.rate *= wanted
            return 1, rate
        self.left //= wanted
        return wanted, rate

    def conv(self, x: Any, name: str, filters: int, size: int, stride: int = 1, rate: int = 1) -> Any:
        x = keras.layers.Conv2D(
            filters, size, stride, "same", dilation_rate=rate, use_bias=self.folded, name=name,
            kernel_initializer="he_normal",
        )(x)  # fmt: skip
        return self.norm(x, name)

    def depthwise(self, x: Any, name: str, stride: int, rate: int) -> Any:
        x = keras.layers.DepthwiseConv2D(
            3, stride, "same", dilation_rate=rate, use_bias=self.folded, name=name,
            depthwise_initializer=keras.initializers.RandomNormal(stddev=0.3),
        )(x)  # fmt: skip
        return self.norm(x, name)

    def norm(self, x: Any, name: str) -> Any:
        if self.folded:
            return x
        return keras.layers.BatchNormalization(momentum=0.99, epsilon=BATCH_NORM_EPSILON, name=f"{name}_norm")(x)


def _relu6(x: Any) -> Any:
    return keras.layers.ReLU(max_value=6)(x)


def mobilenet(x: Any, build: _Builder, multiplier: float) -> Any:
    """(N, H, W, 3) in [-1, 1] → (N, h, w, 512 · multiplier)."""
    filters = [max(8, int(f * multiplier)) for f in MOBILENET_FILTERS]
    stride, rate = build.stride(MOBILENET_STRIDES[0])
    x = _relu6(build.conv(x, "Conv2d_0", filters[0], 3, stride, rate))
    for i in range(1, len(filters)):
        stride, rate = build.stride(MOBILENET_STRIDES[i])
        x = _relu6(build.depthwise(x, f"Conv2d_{i}_depthwise", stride, rate))
        x = _relu6(build.conv(x, f"Conv2d_{i}_pointwise", filters[i], 1))
    return x
