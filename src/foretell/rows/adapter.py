"""The adapter: from the fields of a row to the features of a model, as a declaration.

adapter.yaml, one entry a feature of the model (a feature that is not named is taken from the field of its own
name, in the model's unit):

    features:
      temperature: {field: temperature_mean, unit: degC, model_unit: degF}
      wind_speed:  {field: wind_speed_mean, unit: km/h, model_unit: mph, default: 0.0}
      dewpoint:
        derive: dew_point
        of:
          temperature: {field: temperature_mean, unit: degC}
          humidity: {field: humidity_mean, unit: percent}
        model_unit: degF

The declaration is kept in bundle.json; `rows/features.py` turns it into array code.
"""

import msgspec


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A field of the row.

    Attributes:
        field: dotted path.
        unit: what the row carries; `None` when it needs no conversion.
        default: stands in where the field is missing or null, in `unit`; `None`: the row is refused.
    """

    field: str
    unit: str | None = None
    default: float | None = None


class FeatureRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How one feature comes out of a row: straight from a field, or derived from several.

    Attributes:
        field, unit, default: as in `Source`; not together with `derive`.
        model_unit: what the model was trained in; converted to it by name.
        derive: a name in `rows/derived.py`, for instance `dew_point`, `hour_sin`.
        of: the derivation's inputs by their names there; those of the calendar need none.
    """

    field: str | None = None
    unit: str | None = None
    default: float | None = None
    model_unit: str | None = None
    derive: str | None = None
    of: dict[str, Source] = {}


class Adapter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rule for each feature that is not simply the field of its own name."""

    features: dict[str, FeatureRule] = {}
