"""From fields to features: an adapter's declaration as array code."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foretell.errors import AdapterError
from foretell.rows.adapter import Adapter, FeatureRule, Source
from foretell.rows.block import RowBlock
from foretell.rows.derived import CALENDAR, DERIVATIONS, calendar
from foretell.rows.reasons import Reason
from foretell.rows.units import Conversion, conversion

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Problem:
    """What is wrong with a declaration, and where: keys from the top of adapter.yaml."""

    where: tuple[str, ...]
    message: str
    cure: str | None


@dataclass(frozen=True, slots=True)
class _Field:
    """A field as numbers in the wanted unit; NaN where it is missing and nothing stands in."""

    path: str
    convert: Conversion
    default: float | None

    def read(self, columns: Mapping[str, Array]) -> Array:
        column = columns[self.path]
        if self.default is not None:
            column = np.where(np.isnan(column), self.default, column)
        if self.convert == Conversion():
            return column
        return column * self.convert.factor + self.convert.offset


@dataclass(frozen=True, slots=True)
class _Feature:
    """A feature: a field of its own, a derivation of fields, or the calendar alone (no field)."""

    name: str
    fields: Mapping[str, _Field]
    derive: str | None
    convert: Conversion


class Features:
    """Turns columns of fields into the features of a model.

    Args:
        names: the model's features, in its order.
        adapter: rules for those that are not simply the field of their own name.

    Raises:
        AdapterError: the first problem that `problems` finds.
    """

    def __init__(self, names: Sequence[str], adapter: Adapter) -> None:
        for problem in problems(names, adapter):
            where = ".".join(problem.where)
            raise AdapterError(f"adapter, {where}: {problem.message}", cure=problem.cure)
        self.names = tuple(names)
        self._features = [_compile(name, adapter.features.get(name, FeatureRule())) for name in names]
        fields = [f for feature in self._features for f in feature.fields.values()]
        self.paths = tuple(dict.fromkeys(f.path for f in fields))

    def evaluate(self, columns: Mapping[str, Array], block: RowBlock) -> Array:
        """Columns (n,) of `paths`, NaN where a field is missing → (n, features).

        Rows of `block` that lack a field, or whose feature is not finite, are refused there.
        """
        values = np.empty((len(block), len(self._features)))
        # Infinities and NaN are answers here: each becomes a refused row below.
        with np.errstate(all="ignore"):
            for j, feature in enumerate(self._features):
                inputs = {name: f.read(columns) for name, f in feature.fields.items()}
                values[:, j] = _compute(feature, inputs, block)
                for i in np.flatnonzero(~np.isfinite(values[:, j]) & (block.reason == Reason.OK)).tolist():
                    block.refuse(i, *_explain(feature, {n: float(c[i]) for n, c in inputs.items()}))
        return values


def problems(names: Sequence[str], adapter: Adapter) -> Iterator[Problem]:
    """Everything that is wrong with an adapter for a model with these features, feature by feature."""
    for name, rule in adapter.features.items():
        where = ("features", name)
        if name not in names:
            yield Problem(where, f"the model has no feature {name!r}", f"its features are {', '.join(names)}")
        else:
            yield from _rule_problems(where, rule)


def _rule_problems(where: tuple[str, ...], rule: FeatureRule) -> Iterator[Problem]:
    if rule.derive is not None:
        yield from _derive_problems(where, rule)
        return
    if rule.of:
        yield Problem((*where, "of"), "`of` without `derive`", _known_derivations())
    if rule.unit is not None and rule.model_unit is None:
        yield Problem(
            (*where, "unit"),
            f"the row carries {rule.unit}, but what was the model trained in?",
            "add `model_unit:`; without it nothing can be converted",
        )
    yield from _source_problems(where, Source(rule.field or where[-1], rule.unit, rule.default))
    if rule.model_unit is not None:
        yield from _conversion_problems((*where, "model_unit"), rule.unit or rule.model_unit, rule.model_unit)


def _derive_problems(where: tuple[str, ...], rule: FeatureRule) -> Iterator[Problem]:
    for key in ("field", "unit", "default"):
        if getattr(rule, key) is not None:
            cure = "a derived feature takes its fields, units and defaults under `of`"
            yield Problem((*where, key), f"`{key}` and `derive` together", cure)
    if rule.derive in CALENDAR:
        for key, given in (("of", rule.of), ("model_unit", rule.model_unit)):
            if given:
                yield Problem(
                    (*where, key), f"{rule.derive} comes from the event time alone", f"drop `{key}`"
                )
        return
    derivation = DERIVATIONS.get(rule.derive or "")
    if derivation is None:
        yield Problem((*where, "derive"), f"unknown derivation {rule.derive!r}", _known_derivations())
        return
    wanted = ", ".join(f"{name} ({unit})" for name, unit in derivation.inputs.items())
    for name in derivation.inputs.keys() - rule.of.keys():
        yield Problem(where, f"{rule.derive} lacks its input {name!r}", f"name under `of`: {wanted}")
    for name, source in rule.of.items():
        at = (*where, "of", name)
        if name not in derivation.inputs:
            yield Problem(at, f"{rule.derive} has no input {name!r}", f"name under `of`: {wanted}")
            continue
        yield from _source_problems(at, source)
        if source.unit is not None:
            yield from _conversion_problems((*at, "unit"), source.unit, derivation.inputs[name])
    if rule.model_unit is not None:
        yield from _conversion_problems((*where, "model_unit"), derivation.unit, rule.model_unit)


def _source_problems(where: tuple[str, ...], source: Source) -> Iterator[Problem]:
    if not all(source.field.split(".")):
        yield Problem((*where, "field"), f"{source.field!r} is no field", "write it as in `wind.speed`")
    if source.default is not None and not np.isfinite(source.default):
        yield Problem((*where, "default"), f"{source.default} is no finite number", "give a number or none")


def _conversion_problems(where: tuple[str, ...], source: str, target: str) -> Iterator[Problem]:
    try:
        conversion(source, target)
    except AdapterError as error:
        yield Problem(where, error.message, error.cure)


def _known_derivations() -> str:
    return f"derivations: {', '.join((*DERIVATIONS, *CALENDAR))}"


def _compile(name: str, rule: FeatureRule) -> _Feature:
    if rule.derive is None:
        convert = conversion(rule.unit, rule.model_unit) if rule.unit and rule.model_unit else Conversion()
        return _Feature(name, {name: _Field(rule.field or name, convert, rule.default)}, None, Conversion())
    if rule.derive in CALENDAR:
        return _Feature(name, {}, rule.derive, Conversion())
    derivation = DERIVATIONS[rule.derive]
    fields = {
        key: _Field(source.field, conversion(source.unit or unit, unit), source.default)
        for key, unit in derivation.inputs.items()
        for source in (rule.of[key],)
    }
    return _Feature(
        name, fields, rule.derive, conversion(derivation.unit, rule.model_unit or derivation.unit)
    )


def _compute(feature: _Feature, inputs: Mapping[str, Array], block: RowBlock) -> Array:
    if feature.derive is None:
        return inputs[feature.name]
    if feature.derive in CALENDAR:
        return calendar(feature.derive, block.time_us)
    derived = DERIVATIONS[feature.derive].compute(inputs)
    return derived * feature.convert.factor + feature.convert.offset


def _explain(feature: _Feature, inputs: Mapping[str, float]) -> tuple[Reason, str]:
    for name, value in inputs.items():
        if np.isnan(value):
            path = feature.fields[name].path
            of = "" if path == feature.name else f", of which feature {feature.name} is made"
            return Reason.MISSING_FIELD, f"{path} is missing{of}"
    what = ", ".join(f"{name} {value:g}" for name, value in inputs.items())
    return Reason.NOT_FINITE, f"{feature.derive or 'converted'} of {what} is no finite number"
