"""From a layer's class and options to its meaning: one reader a class, in one registry."""

from collections.abc import Callable
from typing import Literal, TypeVar

import numpy as np

from foretell.importers.keras.meaning import layers
from foretell.importers.keras.meaning.activations import Activation
from foretell.importers.keras.meaning.layers import Layer, Span
from foretell.importers.keras.meaning.options import Options

Reader = Callable[[Options], Layer]
R = TypeVar("R", bound=Reader)
READERS: dict[str, Reader] = {}


def reads(*classes: str) -> Callable[[R], R]:
    """Enter a reader for these classes of Keras."""

    def enter(reader: R) -> R:
        READERS.update(dict.fromkeys(classes, reader))
        return reader

    return enter


@reads(
    *("Dropout", "SpatialDropout1D", "AlphaDropout", "GaussianDropout", "GaussianNoise"),
    "ActivityRegularization",
)
def identity(_: Options) -> Layer:
    return layers.Identity()


@reads("Dense")
def dense(options: Options) -> layers.Dense:
    units = options.count("units")
    bias = options.flag("use_bias", True)
    kernel, *rest = options.take((None, units), (units,) if bias else None)
    return layers.Dense(kernel, rest[0] if bias else None, options.activation())


@reads("Activation")
def activation(options: Options) -> Layer:
    return layers.Activate(options.activation())


@reads("ReLU")
def relu(options: Options) -> Layer:
    slope = options.number("negative_slope", 0.0)
    options.only("threshold", 0.0, None)
    options.only("max_value", None, 6.0)
    limited = options.config.get("max_value") is not None
    if limited and slope:
        options.unsupported("max_value together with negative_slope is not supported")
    if slope:
        return layers.Activate(Activation("leaky_relu", slope))
    return layers.Activate(Activation("relu6" if limited else "relu"))


@reads("LeakyReLU")
def leaky_relu(options: Options) -> Layer:
    slope = options.number("negative_slope" if "negative_slope" in options.config else "alpha", 0.3)
    return layers.Activate(Activation("leaky_relu", slope))


@reads("ELU")
def elu(options: Options) -> Layer:
    return layers.Activate(Activation("elu", options.number("alpha", 1.0)))


@reads("Softmax")
def softmax(options: Options) -> Layer:
    options.only("axis", -1, [-1])
    return layers.Activate(Activation("softmax"))


@reads("LSTM")
def lstm(options: Options) -> layers.LSTM:
    units, bias = _recurrent(options)
    kernel, recurrent, *rest = options.take(
        (None, 4 * units), (units, 4 * units), (4 * units,) if bias else None
    )
    return layers.LSTM(
        kernel,
        recurrent,
        rest[0] if bias else np.zeros(4 * units, np.float32),
        options.activation(default="tanh"),
        options.activation("recurrent_activation", "sigmoid" if options.major >= 3 else "hard_sigmoid"),
        options.flag("return_sequences"),
        options.flag("go_backwards"),
    )


@reads("GRU")
def gru(options: Options) -> layers.GRU:
    units, bias = _recurrent(options)
    after = options.flag("reset_after", options.major >= 3)
    shape = (2, 3 * units) if after else (3 * units,)
    kernel, recurrent, *rest = options.take((None, 3 * units), (units, 3 * units), shape if bias else None)
    biases = rest[0] if bias else np.zeros(shape, np.float32)
    pair = biases if after else np.stack([biases, np.zeros_like(biases)])
    return layers.GRU(
        kernel,
        recurrent,
        pair[0],
        pair[1],
        options.activation(default="tanh"),
        options.activation("recurrent_activation", "sigmoid" if options.major >= 3 else "hard_sigmoid"),
        after,
        options.flag("return_sequences"),
        options.flag("go_backwards"),
    )


def _recurrent(options: Options) -> tuple[int, bool]:
    options.only("return_state", False)
    options.only("time_major", False)
    if options.flag("stateful"):
        options.notes.append(
            f"layer {options.name} is stateful: each window starts from zeros, as after reset_states()"
        )
    return options.count("units"), options.flag("use_bias", True)


@reads("Bidirectional")
def bidirectional(options: Options) -> Layer:
    options.only("merge_mode", "concat", "sum", "mul", "ave")
    half = len(options.weights) // 2
    forward = _direction(options, "layer", options.weights[:half])
    other = "backward_layer" if options.config.get("backward_layer") else "layer"
    backward = _direction(options, other, options.weights[half:])
    if type(forward) is not type(backward) or forward.sequences != backward.sequences:
        options.unsupported("its two directions are of different kinds")
    if forward.backwards or (backward.backwards and other == "layer"):
        options.unsupported("go_backwards of the wrapped layer is not supported")
    merge: Literal["concat", "sum", "mul", "ave"] = options.config.get("merge_mode", "concat")
    return layers.Bidirectional(forward, backward, merge)


def _direction(options: Options, option: str, weights: tuple[layers.Weight, ...]) -> layers.Recurrent:
    inner = options.inner(option, weights)
    if inner.class_name not in ("LSTM", "GRU"):
        options.unsupported(f"around a {inner.class_name} is not supported")
    return lstm(inner) if inner.class_name == "LSTM" else gru(inner)


@reads("TimeDistributed")
def time_distributed(options: Options) -> Layer:
    # These work on the channels of each step anyway, so the wrapper adds nothing.
    inner = options.inner("layer", options.weights)
    if inner.class_name not in ("Dense", "Activation", "Dropout", "BatchNormalization", "LayerNormalization"):
        options.unsupported(f"around a {inner.class_name} is not supported")
    return READERS[inner.class_name](inner)


@reads("Conv1D", "Convolution1D")
def conv1d(options: Options) -> Layer:
    options.only("data_format", "channels_last")
    options.only("padding", "valid", "same", "causal")
    filters, size = options.count("filters"), options.count("kernel_size")
    bias, groups = options.flag("use_bias", True), options.count("groups", 1)
    kernel, *rest = options.take((size, None, filters), (filters,) if bias else None)
    if filters % groups:
        options.damaged(f"{filters} filters are no multiple of {groups} groups")
    span = Span(
        size,
        options.count("strides", 1),
        options.config.get("padding", "valid"),
        options.count("dilation_rate", 1),
    )
    return layers.Conv1D(kernel, rest[0] if bias else None, span, groups, options.activation())


@reads("MaxPooling1D", "MaxPool1D", "AveragePooling1D", "AvgPool1D")
def pool1d(options: Options) -> Layer:
    options.only("data_format", "channels_last")
    options.only("padding", "valid", "same")
    size = options.count("pool_size", 2)
    stride = size if options.config.get("strides") is None else options.count("strides")
    kind: Literal["max", "average"] = "max" if options.class_name.startswith("Max") else "average"
    return layers.Pool1D(kind, Span(size, stride, options.config.get("padding", "valid")))


@reads("GlobalMaxPooling1D", "GlobalMaxPool1D", "GlobalAveragePooling1D", "GlobalAvgPool1D")
def global_pool1d(options: Options) -> Layer:
    options.only("data_format", "channels_last")
    kind: Literal["max", "average"] = "max" if options.class_name.startswith("GlobalMax") else "average"
    return layers.GlobalPool1D(kind, options.flag("keepdims"))


@reads("BatchNormalization")
def batch_normalization(options: Options) -> Layer:
    _last_axis(options)
    gamma, beta = options.flag("scale", True), options.flag("center", True)
    one = (None,)
    found = list(options.take(one if gamma else None, one if beta else None, one, one))
    mean, variance = found[-2:]
    scale = found[0] if gamma else np.ones_like(mean)
    offset = found[int(gamma)] if beta else np.zeros_like(mean)
    if len({len(part) for part in (scale, offset, mean, variance)}) != 1:
        options.damaged("its weights are of different lengths")
    return layers.BatchNormalization(scale, offset, mean, variance, options.number("epsilon", 1e-3))


@reads("LayerNormalization")
def layer_normalization(options: Options) -> Layer:
    _last_axis(options)
    options.only("rms_scaling", False)
    gamma, beta = options.flag("scale", True), options.flag("center", True)
    found = list(options.take((None,) if gamma else None, (None,) if beta else None))
    return layers.LayerNormalization(
        found[0] if gamma else None, found[-1] if beta else None, options.number("epsilon", 1e-3)
    )


def _last_axis(options: Options) -> None:
    # Keras 2 wrote the axis out, 2 for sequences; a shape that does not fit is found by its weights.
    options.only("axis", -1, [-1], 1, 2, [1], [2])


@reads("Flatten")
def flatten(options: Options) -> Layer:
    options.only("data_format", "channels_last")
    return layers.Flatten()


@reads("Reshape")
def reshape(options: Options) -> Layer:
    target = options.config.get("target_shape")
    if not isinstance(target, list | tuple) or not all(type(n) is int and -1 <= n < 2**31 for n in target):
        options.damaged(f"target_shape is {target!r}")
    return layers.Reshape(tuple(target))


@reads("RepeatVector")
def repeat_vector(options: Options) -> Layer:
    return layers.RepeatVector(options.count("n"))


@reads("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")
def merge(options: Options) -> Layer:
    kind: Literal["add", "subtract", "multiply", "average", "maximum", "minimum"]
    kind = options.class_name.lower()  # type: ignore[assignment]
    return layers.Merge(kind)


@reads("Concatenate")
def concatenate(options: Options) -> Layer:
    axis = options.config.get("axis", -1)
    if not isinstance(axis, int) or axis == 0:
        options.unsupported(f"axis={axis!r} is not supported")
    return layers.Concatenate(axis - 1 if axis > 0 else axis)


@reads("Attention")
def attention(options: Options) -> Layer:
    options.only("use_scale", False)
    options.only("score_mode", "dot")
    options.only("causal", False)
    return layers.Attention()
