"""Activations by what they compute; two versions of Keras may mean different things by one name."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Activation:
    """A function of one number (softmax: of a row of them).

    Attributes:
        kind: one of `KINDS`.
        alpha, beta: slope and offset of `hard_sigmoid`; alpha also of `elu` and `leaky_relu`.
    """

    kind: str
    alpha: float = 0.0
    beta: float = 0.0


LINEAR = Activation("linear")
KINDS = frozenset(
    {
        *("linear", "tanh", "sigmoid", "relu", "relu6", "hard_sigmoid", "softmax", "elu", "selu", "softplus"),
        *("softsign", "swish", "gelu", "exponential", "leaky_relu"),
    }
)
_SAME = {"silu": "swish"}
_WITH_ALPHA = {"elu": 1.0, "leaky_relu": 0.2}
_HARD_SIGMOID = {2: (0.2, 0.5), 3: (1 / 6, 0.5)}


def activation_of(config: object, major: int) -> Activation | None:
    """A configuration's activation: a name, or a function of Keras by name; `None` when it is not known.

    Args:
        config: as the file has it.
        major: version of Keras, 2 or 3.
    """
    if config is None:
        return LINEAR
    if isinstance(config, Mapping):  # {"module": "keras.activations", "config": "relu", …}
        own = str(config.get("module", "keras")).startswith("keras")
        config = config.get("config") if own else None
    if not isinstance(config, str):
        return None
    kind = _SAME.get(config, config)
    if kind not in KINDS:
        return None
    if kind == "hard_sigmoid":
        return Activation(kind, *_HARD_SIGMOID[2 if major < 3 else 3])
    return Activation(kind, _WITH_ALPHA.get(kind, 0.0))
