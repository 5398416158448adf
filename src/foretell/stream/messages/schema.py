"""What leaves the stream door, as JSON Schema and in words: for docs/reference and for those who read it."""

from collections.abc import Mapping
from typing import Any

from foretell.bundle.manifest import Manifest
from foretell.rows.reasons import Reason
from foretell.stream.messages.template import DEFAULT

Schema = dict[str, Any]

_NUMBERS: Schema = {"type": "array", "items": {"type": "number"}, "minItems": 1}
_UNIT: Schema = {"type": ["string", "null"]}
_ROLLED_OUT = "rolled_out_steps"
_FIELDS: dict[str, Schema] = {
    "series": {"type": "string", "description": "what the forecast is of; the record's key too"},
    "model": {"type": "string", "description": "the bundle's name"},
    "version": {
        "type": "string",
        "pattern": "^[0-9a-f]{12}$",
        "description": "of the bundle, from its content",
    },
    "issued_at": {
        "type": "string",
        "format": "date-time",
        "description": "event time of the window's newest slot, UTC; the first step follows it by step_s",
    },
    "step_s": {
        "type": ["number", "null"],
        "description": "seconds from step to step; null where windows are the last rows, on no grid",
    },
    "forecast": {"type": "object", "description": "for each target its steps, in its own unit"},
    "unit": {"type": "object", "description": "of each target; null where the bundle does not say"},
    "native_steps": {
        "type": "integer",
        "minimum": 1,
        "description": "steps that the network gave by itself",
    },
    "filled": {
        "type": "integer",
        "minimum": 0,
        "description": "steps of the window that were filled by policy",
    },
    _ROLLED_OUT: {
        "type": "integer",
        "minimum": 0,
        "description": "steps after the native ones, from forecasts fed back; only beyond the horizon",
    },
}

FORECAST_HEADERS: Mapping[str, str] = {
    "foretell-origin": "`topic/partition/offset` of the row that the forecast is due to",
    "foretell-revision": "`true` where the newest window is forecast again; absent otherwise",
}
DEAD_LETTER_HEADERS: Mapping[str, str] = {
    "foretell-error-reason": "one of the reasons below",
    "foretell-error-message": "what was wrong, in words; at most 1000 characters",
    "foretell-origin": "`topic/partition/offset` of the row",
    "foretell-origin-timestamp": "the row's own timestamp, milliseconds since 1970",
    "foretell-redriven-from": "on a row that `foretell dlq redrive` put back: the dead letter that it was",
}
REASONS: Mapping[Reason, str] = {
    Reason.NOT_JSON: "the value cannot be read as JSON",
    Reason.NOT_AN_OBJECT: "JSON, but no object",
    Reason.MISSING_FIELD: "a field that is needed is not there, or null",
    Reason.WRONG_TYPE: "a field is of another type than is needed",
    Reason.NOT_FINITE: "a feature is infinite or no number, as it came or as it was derived",
    Reason.OUT_OF_RANGE: "with `windows.out_of_range: reject`: a feature lies outside of what was trained on",
    Reason.NO_SERIES: "the series is missing, empty or too long",
    Reason.BAD_TIMESTAMP: "the event time cannot be read",
    Reason.IN_THE_FUTURE: "the event time is further ahead of the record's than `windows.future_tolerance`",
    Reason.TOO_LATE: "the event time is older than the window of its series",
    Reason.CONFLICT: "with `windows.same_time: keep`: the slot is filled already, with other values",
    Reason.ENGINE_ERROR: "the network gave no finite answer for the window, or failed on it alone",
}


def forecast_schema(manifest: Manifest | None = None) -> Schema:
    """JSON Schema (2020-12) of a forecast message in its own shape, without a template.

    Args:
        manifest: with the names, units and steps of this bundle; unset: of any bundle.
    """
    properties = dict(_FIELDS)
    title = "Forecast"
    if manifest is not None:
        title = f"Forecast of {manifest.name}"
        targets = [column.name for column in manifest.targets]
        properties |= {
            "model": _FIELDS["model"] | {"const": manifest.name},
            "version": _FIELDS["version"] | {"const": manifest.version},
            "step_s": _FIELDS["step_s"] | {"const": manifest.step_s},
            "forecast": _each("forecast", dict.fromkeys(targets, _NUMBERS)),
            "unit": _each("unit", {c.name: {"const": c.unit} for c in manifest.targets}),
            "native_steps": _FIELDS["native_steps"] | {"maximum": manifest.horizon},
        }
    else:
        properties["forecast"] = _FIELDS["forecast"] | {"additionalProperties": _NUMBERS}
        properties["unit"] = _FIELDS["unit"] | {"additionalProperties": _UNIT}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "type": "object",
        "properties": properties,
        "required": list(DEFAULT),
        "additionalProperties": False,
    }


def _each(field: str, properties: Mapping[str, Schema]) -> Schema:
    closed = {"properties": dict(properties), "required": list(properties), "additionalProperties": False}
    return _FIELDS[field] | closed
