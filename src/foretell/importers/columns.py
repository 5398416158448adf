"""Scalers → scaling and training figures of each input and target."""

from collections.abc import Sequence
from dataclasses import dataclass

from foretell.bundle.manifest import Column
from foretell.bundle.scaling import Scaling
from foretell.errors import ImportFailed
from foretell.importers.sklearn import Scaler
from foretell.rows.adapter import Adapter


@dataclass(frozen=True)
class Columns:
    """Columns in the network's order, and how they are scaled (`None`: the network takes own units)."""

    columns: tuple[Column, ...]
    scaling: Scaling | None


def inputs(names: Sequence[str], scaler: Scaler | None, file: str, notes: list[str]) -> Columns:
    """The inputs; a scaler that names its columns may cover some of them, the others are not scaled.

    Raises:
        ImportFailed: the scaler's columns are not the network's; says both.
    """
    if scaler is None:
        return Columns(tuple(Column(name) for name in names), None)
    places = _places(names, scaler, file)
    left = [name for name, place in zip(names, places, strict=True) if place is None]
    if left:
        notes.append(f"{file} does not know {', '.join(left)}; taken as they are")
    columns = tuple(_column(name, scaler, place) for name, place in zip(names, places, strict=True))
    return Columns(columns, _scaling(scaler.scaling, places))


def targets(
    names: Sequence[str], own: tuple[Scaler, str] | None, shared: tuple[Scaler, str] | None, notes: list[str]
) -> Columns:
    """The targets: by their own scaler, or by the columns of their names in the inputs' scaler.

    Raises:
        ImportFailed: the scaler has another number of columns.
    """
    if own is not None:
        scaler, file = own
        if scaler.columns != len(names):
            raise ImportFailed(
                f"{file} scales {scaler.columns} columns, but the targets are {', '.join(names)}",
                cure="name the targets: --targets A,B",
            )
        places: list[int | None] = list(range(len(names)))
        return Columns(
            tuple(_column(n, scaler, i) for i, n in enumerate(names)), _scaling(scaler.scaling, places)
        )
    if shared is not None:
        scaler, file = shared
        known = [scaler.names.index(n) if scaler.names and n in scaler.names else None for n in names]
        if all(place is not None for place in known):
            notes.append(f"targets: scaled back by their columns in {file}")
            columns = tuple(_column(n, scaler, place) for n, place in zip(names, known, strict=True))
            return Columns(columns, _scaling(scaler.scaling, known))
    return Columns(tuple(Column(name) for name in names), None)


def with_units(columns: Sequence[Column], adapter: Adapter) -> tuple[Column, ...]:
    """The same columns in the units that an adapter says the model was trained in."""
    return tuple(
        Column(c.name, rule.model_unit, c.center, c.spread, c.low, c.high)
        if (rule := adapter.features.get(c.name)) and rule.model_unit
        else c
        for c in columns
    )


def _places(names: Sequence[str], scaler: Scaler, file: str) -> list[int | None]:
    """For each name its column in the scaler: by name where it has names, else by position."""
    if scaler.names is not None and set(names) & set(scaler.names):
        return [scaler.names.index(name) if name in scaler.names else None for name in names]
    if scaler.columns != len(names):
        raise ImportFailed(
            f"{file} scales {scaler.columns} columns, but the network reads {len(names)} features",
            cure="name the features in the network's order, as the scaler knows them: --features A,B",
        )
    return list(range(len(names)))


def _column(name: str, scaler: Scaler, place: int | None) -> Column:
    def at(figures: tuple[float, ...] | None) -> float | None:
        return None if figures is None or place is None else figures[place]

    return Column(name, None, at(scaler.center), at(scaler.spread), at(scaler.low), at(scaler.high))


def _scaling(scaling: Scaling, places: Sequence[int | None]) -> Scaling:
    return Scaling(
        scaling.kind,
        tuple(0.0 if place is None else scaling.center[place] for place in places),
        tuple(1.0 if place is None else scaling.scale[place] for place in places),
        scaling.clip if None not in places else None,
    )
