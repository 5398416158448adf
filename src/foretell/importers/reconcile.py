"""What files and flags say of the shapes → one answer, or the contradiction by name."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from foretell.errors import ImportFailed
from foretell.importers.metadata import Metadata
from foretell.importers.network import Network
from foretell.importers.options import ImportOptions
from foretell.importers.sklearn import Scaler

T = TypeVar("T")
Layout = Literal["time_first", "channels_first"]
_OTHER_FILES = "if a file belongs to another model, import a folder that holds this model's files alone"


@dataclass(frozen=True)
class Said:
    """What was said, and by whom: flags win over metadata.json, which wins over scalers.

    Attributes:
        by: for each fact that is known, who said it.
    """

    lookback: int | None
    horizon: int | None
    features: tuple[str, ...] | None
    targets: tuple[str, ...] | None
    step_s: float | None
    by: dict[str, str]


def said(
    options: ImportOptions, metadata: Metadata, scaler_x: Scaler | None, scaler_y: Scaler | None
) -> Said:
    """Gather it."""
    by: dict[str, str] = {}

    def first(fact: str, *sources: tuple[str, T | None]) -> T | None:
        for who, value in sources:
            if value is not None:
                by[fact] = who
                return value
        return None

    return Said(
        lookback=first("lookback", ("--lookback", options.lookback), ("metadata.json", metadata.lookback)),
        horizon=first("horizon", ("--horizon", options.horizon), ("metadata.json", metadata.horizon)),
        features=first(
            "features",
            ("--features", options.features),
            ("metadata.json", metadata.features),
            ("the scaler of the inputs", scaler_x.names if scaler_x else None),
        ),
        targets=first(
            "targets",
            ("--targets", options.targets),
            ("metadata.json", metadata.targets),
            ("the scaler of the targets", scaler_y.names if scaler_y else None),
        ),
        step_s=first("step", ("--step", options.step_s), ("metadata.json", metadata.step_s)),
        by=by,
    )


@dataclass(frozen=True)
class Window:
    """The shape of a window, and how the network reads it."""

    lookback: int
    features: tuple[str, ...]
    layout: Layout


def window(network: Network, facts: Said, notes: list[str]) -> Window:
    """Which axis of the network's input is time, and what the columns are called.

    Raises:
        ImportFailed: lookback or features contradict the network's shape; names both.
    """
    steps, columns = network.input_shape
    layout: Layout = "time_first"
    wanted = facts.lookback
    if wanted is not None and wanted != steps:
        if wanted != columns or len(facts.features or range(steps)) != steps:
            _contradiction(f"{facts.by['lookback']} says a lookback of {wanted}", _reads(network))
        layout, steps, columns = "channels_first", columns, steps
        notes.append(f"{network.file} reads windows channels first, ({columns} features, {steps} steps)")
    names = facts.features
    if names is None:
        names = tuple(f"feature_{i + 1}" for i in range(columns))
        notes.append(f"features: not said; called {_listed(names)}")
    if len(names) != columns:
        cure = _OTHER_FILES
        if facts.by["features"] == "the scaler of the inputs":
            cure = "name all that the network reads, in its order, as the scaler does: --features A,B"
        if layout == "time_first" and len(names) == steps:
            cure = f"if the network reads windows channels first, say --lookback {columns}"
        _contradiction(
            f"{facts.by['features']} names {len(names)} features ({_listed(names)})", _reads(network), cure
        )
    return Window(steps, names, layout)


@dataclass(frozen=True)
class Forecast:
    """The shape of a forecast."""

    horizon: int
    targets: tuple[str, ...]


def forecast(network: Network, facts: Said, features: Sequence[str], notes: list[str]) -> Forecast:
    """How the numbers of the first output divide into steps and targets.

    Raises:
        ImportFailed: horizon or targets contradict the output's shape; names both.
    """
    shape = network.outputs[0].shape
    targets = facts.targets or _assumed_targets(shape, facts.horizon, features, notes)
    size = shape[0] * shape[1] if len(shape) == 2 else shape[0]
    horizon, rest = divmod(size, len(targets))
    if rest or (len(shape) == 2 and shape[1] != len(targets)):
        _contradiction(
            f"{facts.by.get('targets', 'the files')} names {len(targets)} targets", _gives(network)
        )
    if facts.horizon is not None and facts.horizon != horizon:
        _contradiction(
            f"{facts.by['horizon']} says a horizon of {facts.horizon} for {len(targets)} target(s)",
            _gives(network),
            "more steps than the network gives are asked for when forecasting: stream --horizon N",
        )
    return Forecast(horizon, targets)


def _assumed_targets(
    shape: tuple[int, ...], horizon: int | None, features: Sequence[str], notes: list[str]
) -> tuple[str, ...]:
    count = shape[1] if len(shape) == 2 else max(shape[0] // (horizon or shape[0]), 1)
    if count == len(features) and (count > 1 or len(features) == 1):
        targets = tuple(features)
    else:
        targets = ("target",) if count == 1 else tuple(f"target_{i + 1}" for i in range(count))
    notes.append(f"targets: not said; taken to be {_listed(targets)} (say --targets)")
    return targets


def _reads(network: Network) -> str:
    return (
        f"{network.file} reads windows of {network.input_shape[0]} steps of {network.input_shape[1]} features"
    )


def _gives(network: Network) -> str:
    output = network.outputs[0]
    return f"{network.file} gives {output.name} of shape {output.shape} for a window"


def _contradiction(one: str, other: str, cure: str = _OTHER_FILES) -> None:
    raise ImportFailed(f"{one}, but {other}", cure=cure)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:8])
    return f"{shown}, … ({len(names)})" if len(names) > 8 else shown
