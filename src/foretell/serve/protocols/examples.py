"""Requests that a model answers: for the document, the page, and a line of `curl` that works."""

from datetime import UTC, datetime, timedelta
from typing import Any

from foretell.bundle.manifest import Column, Manifest
from foretell.config import RowSettings
from foretell.rows.adapter import FeatureRule
from foretell.rows.derived import CALENDAR, DERIVATIONS
from foretell.rows.units import conversion
from foretell.serve.protocols.oip import INPUT

_START = datetime(2025, 1, 1, tzinfo=UTC)
_USUAL = {"degC": 10.0, "percent": 60.0, "m/s": 3.0}  # of the inputs of derivations, by unit
_EPOCH = {"epoch_s": 1, "epoch_ms": 1_000, "epoch_us": 1_000_000}


def infer_example(manifest: Manifest) -> dict[str, Any]:
    """One window, for the Open Inference Protocol."""
    steps = _values(manifest)
    if manifest.layout == "channels_first":
        steps = [list(channel) for channel in zip(*steps, strict=True)]
    shape = [1, *manifest.input_shape]
    return {"inputs": [{"name": INPUT, "shape": shape, "datatype": "FP64", "data": [steps]}]}


def forecast_example(manifest: Manifest, settings: RowSettings) -> dict[str, Any]:
    """One window by its rows."""
    return {"rows": [_row(manifest, settings, step) for step in range(manifest.lookback)]}


def row_fields(manifest: Manifest) -> dict[str, str | None]:
    """What a row of the model holds beside its time, and in which units."""
    fields: dict[str, str | None] = {}
    for column in manifest.inputs:
        rule = manifest.adapter.features.get(column.name, FeatureRule())
        if rule.derive is None:
            fields[rule.field or column.name] = rule.unit or column.unit
        else:
            units = DERIVATIONS[rule.derive].inputs if rule.derive not in CALENDAR else {}
            fields |= {rule.of[name].field: rule.of[name].unit or unit for name, unit in units.items()}
    return fields


def _values(manifest: Manifest) -> list[list[float]]:
    return [[_usual(column) for column in manifest.inputs] for _ in range(manifest.lookback)]


def _row(manifest: Manifest, settings: RowSettings, step: int) -> dict[str, Any]:
    time = _START + timedelta(seconds=step * (manifest.step_s or 60.0))
    fields: dict[str, Any] = {settings.timestamp or "timestamp": _told(time, settings)}
    for column in manifest.inputs:
        rule = manifest.adapter.features.get(column.name, FeatureRule())
        fields |= {path: round(value, 3) for path, value in _fields(column, rule).items()}
    row: dict[str, Any] = {}
    for path, told in fields.items():
        *parents, last = path.split(".")
        here = row
        for parent in parents:
            here = here.setdefault(parent, {})
        here[last] = told
    return row


def _told(time: datetime, settings: RowSettings) -> Any:
    if settings.time_format == "iso8601":
        return time.isoformat().replace("+00:00", "Z")
    return time.timestamp() * _EPOCH[settings.time_format]


def _fields(column: Column, rule: FeatureRule) -> dict[str, float]:
    """The fields of a row that the feature is made of, in the row's units."""
    if rule.derive in CALENDAR:
        return {}
    if rule.derive is None:
        value = _usual(column)
        if rule.unit and rule.model_unit:
            way = conversion(rule.model_unit, rule.unit)
            value = value * way.factor + way.offset
        return {rule.field or column.name: value}
    told = {}
    for name, unit in DERIVATIONS[rule.derive].inputs.items():
        source = rule.of[name]
        way = conversion(unit, source.unit or unit)
        told[source.field] = _USUAL[unit] * way.factor + way.offset
    return told


def _usual(column: Column) -> float:
    """What the model was trained around."""
    bounds = column.bounds()
    if column.center is not None:
        return round(column.center, 3) + 0.0  # what rounds to -0.0 is 0.0
    return round((bounds[0] + bounds[1]) / 2, 3) + 0.0 if bounds else 1.0
