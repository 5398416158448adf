"""Make the small models of tests/importers/keras/samples with Keras itself, and its answers to them.

    pip install keras jax scipy      (in an environment of its own)
    python scripts/make_keras_samples.py tests/importers/keras/samples

Weights are random. `mixed_precision` is answered in float32: a dtype policy is how a model was trained, not
what it means.
"""

import os
import sys
from pathlib import Path

os.environ["KERAS_BACKEND"] = "numpy"
import keras
import numpy as np
from keras import layers as L

STEPS, FEATURES, WINDOWS = 12, 3, 5


def recurrent() -> list[object]:
    return [
        L.GRU(5, return_sequences=True, reset_after=False),
        L.GRU(4, return_sequences=True, go_backwards=True),
        L.LSTM(4, return_sequences=True, activation="relu", recurrent_activation="hard_sigmoid"),
        L.LSTM(3, use_bias=False, go_backwards=True),
        L.Dense(2),
    ]


def bidirectional() -> list[object]:
    return [
        L.Bidirectional(L.LSTM(4, return_sequences=True)),
        L.Bidirectional(L.GRU(3, return_sequences=True), merge_mode="sum"),
        L.Bidirectional(L.LSTM(3, return_sequences=True), merge_mode="mul"),
        L.Bidirectional(L.GRU(3), merge_mode="ave"),
        L.Dense(7),
    ]


def convolution() -> list[object]:
    return [
        L.Conv1D(6, 3, padding="same", strides=2, activation="relu"),
        L.BatchNormalization(),
        L.Conv1D(6, 2, padding="causal", dilation_rate=2, groups=3),
        L.MaxPooling1D(2, strides=1, padding="same"),
        L.LayerNormalization(),
        L.AveragePooling1D(2),
        L.SpatialDropout1D(0.2),
        L.GlobalAveragePooling1D(keepdims=True),
        L.Flatten(),
        L.Dense(4, activation="softmax"),
    ]


def encoder_decoder() -> list[object]:
    return [
        L.LSTM(4),
        L.Dropout(0.2),
        L.RepeatVector(6),
        L.LSTM(3, return_sequences=True),
        L.TimeDistributed(L.Dense(2, activation="tanh")),
    ]


def activations() -> list[object]:
    names = ["elu", "selu", "softplus", "softsign", "silu", "gelu", "leaky_relu", "relu6", "hard_sigmoid"]
    return [
        *(L.Dense(4, activation=name) for name in names),
        L.ELU(0.7),
        L.LeakyReLU(),
        L.ReLU(),
        L.Reshape((-1,)),
    ]


def functional() -> keras.Model:
    window = keras.Input((STEPS, FEATURES))
    one = L.LSTM(4, return_sequences=True)(window)
    other = L.Conv1D(4, 3, padding="same")(window)
    both = L.Concatenate()([L.Add()([one, other]), L.Multiply()([one, other]), L.Attention()([one, other])])
    forecast = L.Dense(7, name="forecast")(L.GlobalMaxPooling1D()(both))
    kind = L.Dense(3, activation="softmax", name="kind")(L.Flatten()(L.Concatenate(axis=1)([one, other])))
    return keras.Model(window, [forecast, kind])


def sequential(layers: list[object]) -> keras.Model:
    return keras.Sequential([keras.Input((STEPS, FEATURES)), *layers])


def mixed(rng: np.random.Generator) -> tuple[keras.Model, keras.Model]:
    def build() -> keras.Model:
        return sequential([L.LSTM(4, return_sequences=True), L.LSTM(3), L.Dense(2)])

    asked = build()
    randomise(asked, rng)
    keras.config.set_dtype_policy("mixed_float16")
    saved = build()
    keras.config.set_dtype_policy("float32")
    saved.set_weights(asked.get_weights())
    return saved, asked


def randomise(model: keras.Model, rng: np.random.Generator) -> None:
    for weight in model.weights:
        values = rng.normal(0, 0.5, weight.shape)
        positive = "variance" in weight.path or "gamma" in weight.path
        weight.assign((np.abs(values) + 0.5 if positive else values).astype("float32"))


def main(folder: Path) -> None:
    rng = np.random.default_rng(2013)
    kinds = (recurrent, bidirectional, convolution, encoder_decoder, activations)
    models = {make.__name__: sequential(make()) for make in kinds} | {"functional": functional()}
    for model in models.values():
        randomise(model, rng)
    asked = dict(models)
    models["mixed_precision"], asked["mixed_precision"] = mixed(rng)
    for name, model in models.items():
        windows = rng.normal(0, 1, (WINDOWS, STEPS, FEATURES)).astype("float32")
        answers = asked[name].predict(windows, verbose=0)
        answers = answers if isinstance(answers, list) else [answers]
        np.savez(folder / f"{name}.npz", windows=windows, **{f"answer_{i}": a for i, a in enumerate(answers)})
        model.save(folder / f"{name}.h5")
        model.save(folder / f"{name}.keras")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
