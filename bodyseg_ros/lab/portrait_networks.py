"""Portrait networks in Keras: Mobile-UNet, Prisma-Net, Portrait-Net, Slim-Net.

Our own, from the published descriptions. Each takes one picture of fixed size and gives the logit of a person for every
pixel; a second logit, of the mask's border, only helps in training.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal

import keras

from .fake_quantization import RoundedActivation, RoundedConv2D, RoundedConv2DTranspose, RoundedDepthwiseConv2D
from .labels import Array
from .portrait_config import PortraitNetwork, PortraitRun

Form = Literal["trained", "folded", "rounded"]
"""trained: with batch norms. folded: biases in their place, as exported. rounded: folded, in 8 bits."""
Activation = Literal["relu", "relu6", "hard_swish", "none"]

ENCODER: Final = "encoder"
"""Names of the encoder's layers begin so."""
MASK, BOUNDARY = "mask", "boundary"
_EPSILON: Final = 1e-3
_MOMENTUM: Final = 0.9

#: MobileNetV2 (arXiv:1801.04381, table 2): expansion, channels, repeats, stride.
_V2: Final = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2))
#: MobileNetV3-Small (arXiv:1905.02244, table 2): kernel, expanded channels, channels, attention, activation, stride.
_V3: Final[tuple[tuple[int, int, int, bool, Activation, int], ...]] = (
    (3, 16, 16, True, "relu", 2), (3, 72, 24, False, "relu", 2), (3, 88, 24, False, "relu", 1),
    (5, 96, 40, True, "hard_swish", 2), (5, 240, 40, True, "hard_swish", 1), (5, 240, 40, True, "hard_swish", 1),
    (5, 120, 48, True, "hard_swish", 1), (5, 144, 48, True, "hard_swish", 1), (5, 288, 96, True, "hard_swish", 2),
    (5, 576, 96, True, "hard_swish", 1), (5, 576, 96, True, "hard_swish", 1),
)  # fmt: skip


class _Layers:
    """Convolutions in one of the forms, with channels relative to the published ones."""

    def __init__(self, form: Form, width: float) -> None:
        self.form, self.width = form, width
        self._rounded = form == "rounded"

    def channels(self, published: int) -> int:
        return max(8, int(published * self.width / 8 + 0.5) * 8)

    def conv(
        self, x: Any, name: str, channels: int, size: int = 1, stride: int = 1, activation: Activation = "relu"
    ) -> Any:
        kind = RoundedConv2D if self._rounded else keras.layers.Conv2D
        options = {"use_bias": self.form != "trained", "kernel_initializer": "he_normal", "name": name}
        return self._finish(kind(channels, size, stride, "same", **options)(x), name, activation)

    def depthwise(self, x: Any, name: str, size: int = 3, stride: int = 1, activation: Activation = "relu") -> Any:
        kind = RoundedDepthwiseConv2D if self._rounded else keras.layers.DepthwiseConv2D
        initializer = keras.initializers.RandomNormal(stddev=1 / size)
        options = {"use_bias": self.form != "trained", "depthwise_initializer": initializer, "name": name}
        return self._finish(kind(size, stride, "same", **options)(x), name, activation)

    def transposed(self, x: Any, name: str, channels: int) -> Any:
        """Twice the size."""
        kind = RoundedConv2DTranspose if self._rounded else keras.layers.Conv2DTranspose
        options = {"use_bias": self.form != "trained", "kernel_initializer": "he_normal", "name": name}
        return self._finish(kind(channels, 2, 2, "same", **options)(x), name, "relu")

    def separable(self, x: Any, name: str, channels: int, size: int = 3, activation: Activation = "relu") -> Any:
        """Depthwise, then 1×1."""
        return self.conv(self.depthwise(x, f"{name}_depthwise", size), name, channels, activation=activation)

    def add(self, parts: list[Any], name: str, activation: Activation = "none") -> Any:
        return self._activate(keras.layers.Add(name=name)(parts), name, activation)

    def attend(self, x: Any, name: str) -> Any:
        """Weigh channels by what the whole picture shows (squeeze and excitation, arXiv:1709.01507)."""
        side, channels = x.shape[1], x.shape[-1]
        seen = keras.layers.AveragePooling2D(side, name=f"{name}_mean")(x)
        seen = self.conv(seen, f"{name}_squeeze", self.channels(channels // 4))
        seen = self.conv(seen, f"{name}_excite", channels, activation="none")
        weights = keras.layers.Activation("hard_sigmoid", name=f"{name}_weights")(seen)
        return self.rounded(keras.layers.Multiply(name=name)([x, weights]), name)

    def head(self, x: Any, name: str) -> Any:
        """One logit per position; no batch norm."""
        kind = RoundedConv2D if self._rounded else keras.layers.Conv2D
        return kind(1, 1, name=name)(x)

    def _finish(self, x: Any, name: str, activation: Activation) -> Any:
        if self.form == "trained":
            x = keras.layers.BatchNormalization(momentum=_MOMENTUM, epsilon=_EPSILON, name=f"{name}_norm")(x)
        return self._activate(x, name, activation)

    def _activate(self, x: Any, name: str, activation: Activation) -> Any:
        if activation == "hard_swish":
            weights = keras.layers.Activation("hard_sigmoid", name=f"{name}_gate")(x)
            x = keras.layers.Multiply(name=f"{name}_swish")([x, weights])
        elif activation != "none":
            x = keras.layers.ReLU(max_value=6 if activation == "relu6" else None, name=f"{name}_relu")(x)
        return self.rounded(x, name)

    def rounded(self, x: Any, name: str) -> Any:
        return RoundedActivation(name=f"{name}_rounded")(x) if self._rounded else x


def _larger(x: Any, name: str, times: int = 2) -> Any:
    return keras.layers.UpSampling2D(times, interpolation="bilinear", name=name)(x)


def _inverted_residual(
    x: Any, build: _Layers, name: str, expanded: int, channels: int, stride: int = 1, *, size: int = 3,
    activation: Activation = "relu6", attention: bool = False,
) -> Any:  # fmt: skip
    """Expand, depthwise, project; added to the input where both are alike (arXiv:1801.04381)."""
    y = build.conv(x, f"{name}_expand", expanded, activation=activation)
    y = build.depthwise(y, f"{name}_depthwise", size, stride, activation)
    if attention:
        y = build.attend(y, f"{name}_attention")
    y = build.conv(y, f"{name}_project", channels, activation="none")
    return build.add([x, y], f"{name}_add") if stride == 1 and x.shape[-1] == channels else y


def _mobilenet_v2(x: Any, build: _Layers) -> list[Any]:
    """Features at strides 2, 4, 8, 16 and 32."""
    x = build.conv(x, f"{ENCODER}_stem", build.channels(32), 3, 2, "relu6")
    features = []
    for block, (expansion, channels, repeats, stride) in enumerate(_V2):
        if stride == 2:
            features.append(x)
        for unit in range(repeats):
            name = f"{ENCODER}_{block}_{unit}"
            step = stride if unit == 0 else 1
            x = _inverted_residual(x, build, name, x.shape[-1] * expansion, build.channels(channels), step)
    return [*features, x]


def _mobilenet_v3(x: Any, build: _Layers) -> list[Any]:
    """Features at strides 2, 4, 8, 16 and 32."""
    x = build.conv(x, f"{ENCODER}_stem", build.channels(16), 3, 2, "hard_swish")
    features = []
    for block, (size, expanded, channels, attention, activation, stride) in enumerate(_V3):
        if stride == 2:
            features.append(x)
        x = _inverted_residual(
            x, build, f"{ENCODER}_{block}", build.channels(expanded), build.channels(channels), stride,
            size=size, activation=activation, attention=attention,
        )  # fmt: skip
    return [*features, x]


_ENCODERS: Final = {"mobilenet_v2": _mobilenet_v2, "mobilenet_v3": _mobilenet_v3}


def _mobile_unet(x: Any, build: _Layers, run: PortraitRun) -> Any:
    """MobileNet and a U-shaped decoder: enlarge, join the encoder's features, inverted residual.

    Source: the Portrait-Segmentation project's description, both of its decoders; U-Net, arXiv:1505.04597.
    """
    *skips, x = _ENCODERS[run.encoder](x, build)
    for level, skip in enumerate(reversed(skips)):
        name, channels = f"decoder_{level}", skip.shape[-1]
        if run.decoder == "transposed":
            x = build.transposed(x, f"{name}_transposed", channels)
        else:
            x = build.conv(_larger(x, f"{name}_larger"), f"{name}_up", channels)
        x = keras.layers.Concatenate(name=f"{name}_join")([x, skip])
        x = _inverted_residual(x, build, f"{name}_block", x.shape[-1] * 2, channels)
    return _larger(x, "decoder_last")


def _prisma_net(x: Any, build: _Layers, run: PortraitRun) -> Any:
    """Separable residual blocks, skips that are added, bilinear enlargement.

    Source: Prisma's description of its portrait segmentation on smartphones, as the Portrait-Segmentation project
    retells it: a U-Net of residual blocks with separable convolutions, whose skips are sums.
    """
    x = build.conv(x, "stem", build.channels(16), 3)
    skips = []
    for level, published in enumerate((16, 32, 64, 128, 128)):
        channels = build.channels(published)
        if level:
            skips.append(x)
            x = build.depthwise(x, f"down_{level}_depthwise", 3, 2)
            x = build.conv(x, f"down_{level}_widen", channels)
        x = _residual(x, build, f"block_{level}", channels)
    for level, skip in enumerate(reversed(skips)):
        x = build.conv(x, f"up_{level}_narrow", skip.shape[-1])
        x = build.add([_larger(x, f"up_{level}"), skip], f"up_{level}_add", "relu")
        x = _residual(x, build, f"decoder_block_{level}", skip.shape[-1])
    return x


def _residual(x: Any, build: _Layers, name: str, channels: int) -> Any:
    y = build.separable(x, f"{name}_first", channels)
    y = build.separable(y, f"{name}_second", channels, activation="none")
    return build.add([x, y], f"{name}_add", "relu")


def _portrait_net(x: Any, build: _Layers, run: PortraitRun) -> Any:
    """MobileNet, and a decoder of two-branch blocks with transposed convolutions.

    Source: Zhang et al., "PortraitNet: Real-time portrait segmentation network for mobile device", Computers &
    Graphics 80 (2019), https://doi.org/10.1016/j.cag.2019.03.007, section 3.1.
    """
    *skips, x = _ENCODERS[run.encoder](x, build)
    for level, skip in enumerate(reversed(skips)):
        name, channels = f"decoder_{level}", skip.shape[-1]
        x = _two_branches(x, build, f"{name}_block", channels)
        x = build.add([build.transposed(x, f"{name}_transposed", channels), skip], f"{name}_add")
    x = _two_branches(x, build, "decoder_last_block", x.shape[-1])
    return build.transposed(x, "decoder_last_transposed", x.shape[-1])


def _two_branches(x: Any, build: _Layers, name: str, channels: int) -> Any:
    y = build.separable(x, f"{name}_first", channels)
    y = build.separable(y, f"{name}_second", channels, activation="none")
    return build.add([build.conv(x, f"{name}_short", channels, activation="none"), y], f"{name}_add", "relu")


def _slim_net(x: Any, build: _Layers, run: PortraitRun) -> Any:
    """Squeeze-and-expand modules, a fast reduction at the start, bilinear enlargement.

    Source of the modules: Sharma and Foroosh, "Slim-CNN", arXiv:1907.02157; the U shape and the early reduction for
    large pictures as in the Portrait-Segmentation project's description.
    """
    x = build.conv(x, "stem", build.channels(16), 3, 2)
    skips = []
    for level, published in enumerate((24, 48, 72, 96)):
        skips.append(x)
        x = keras.layers.MaxPooling2D(2, name=f"down_{level}")(x)
        x = _slim_module(x, build, f"slim_{level}", build.channels(published))
    for level, skip in enumerate(reversed(skips)):
        x = build.conv(x, f"up_{level}_narrow", skip.shape[-1])
        x = build.add([_larger(x, f"up_{level}"), skip], f"up_{level}_add", "relu")
        x = build.separable(x, f"up_{level}_smooth", skip.shape[-1])
    return _larger(x, "up_last")


def _slim_module(x: Any, build: _Layers, name: str, channels: int) -> Any:
    """Two separable squeeze-expand blocks with a short cut, then a separable convolution."""
    y = _squeeze_expand(x, build, f"{name}_first", channels)
    y = _squeeze_expand(y, build, f"{name}_second", channels)
    short = build.conv(x, f"{name}_short", channels, activation="none")
    return build.separable(build.add([short, y], f"{name}_add", "relu"), f"{name}_out", channels)


def _squeeze_expand(x: Any, build: _Layers, name: str, channels: int) -> Any:
    squeezed = build.conv(x, f"{name}_squeeze", max(8, channels // 4))
    point = build.conv(squeezed, f"{name}_point", channels // 2)
    wide = build.separable(squeezed, f"{name}_wide", channels - channels // 2)
    return keras.layers.Concatenate(name=f"{name}_join")([point, wide])


_BUILDERS: Final[dict[PortraitNetwork, Callable[[Any, _Layers, PortraitRun], Any]]] = {
    "mobile_unet": _mobile_unet,
    "prisma_net": _prisma_net,
    "portrait_net": _portrait_net,
    "slim_net": _slim_net,
}


def build_portrait(run: PortraitRun, form: Form = "trained", *, boundary: bool = False) -> keras.Model:
    """Build a run's network: (N, S, S, 3 or 4) float32, -1 to 1 and the mask before 0 to 1 → logits (N, S, S, 1).

    boundary: with a second channel, the logit of the mask's border. Weights of all forms have the same names.
    """
    picture = keras.Input((run.size, run.size, run.channels), name="picture")
    build = _Layers(form, run.width)
    # The first thing that an int8 file rounds is its input.
    features = _BUILDERS[run.network](build.rounded(picture, "picture"), build, run)
    outputs = [build.head(features, MASK)]
    if boundary:
        outputs.append(build.head(features, BOUNDARY))
    packed = keras.layers.Concatenate(name="packed")(outputs) if boundary else outputs[0]
    return keras.Model(picture, packed, name=run.network)


def named_weights(network: keras.Model) -> dict[str, list[Array]]:
    """Layer → its weights."""
    return {layer.name: layer.get_weights() for layer in network.layers if layer.weights}


def fold_norms(weights: dict[str, list[Array]]) -> dict[str, list[Array]]:
    """Weights by layer of the folded form: batch norms multiplied into the convolutions before them."""
    folded = {name: values for name, values in weights.items() if not name.endswith("_norm")}
    for name, (gamma, beta, mean, variance) in (
        (name.removesuffix("_norm"), values) for name, values in weights.items() if name.endswith("_norm")
    ):
        (kernel,), scale = folded[name], gamma / (variance + _EPSILON) ** 0.5
        # Output channels are a kernel's last axis, but the third one of a depthwise or transposed kernel.
        third = name.endswith(("_depthwise", "_transposed"))
        folded[name] = [kernel * (scale[:, None] if third else scale), beta - mean * scale]
    return folded


def take_weights(network: keras.Model, weights: dict[str, list[Array]]) -> list[str]:
    """Set the weights that fit by name and shape; return the names of layers that keep their own."""
    left = []
    for layer in network.layers:
        if not layer.weights:
            continue
        values = weights.get(layer.name, [])
        if [value.shape for value in values] == [tuple(variable.shape) for variable in layer.weights]:
            layer.set_weights(values)
        else:
            left.append(layer.name)
    return left
