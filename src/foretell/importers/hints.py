"""What a person should be told about units, and the lines of adapter.yaml that say them."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import yaml

from foretell.bundle.manifest import Column
from foretell.importers.adaptation import OldAdapter

_TEMPERATURE = re.compile(r"temp|dew|^t$|feels", re.IGNORECASE)
_DEW_POINT = re.compile(r"dew_?point", re.IGNORECASE)
_WIND = re.compile(r"wind_?(speed|gust)", re.IGNORECASE)
_IN_A_ROW = {"degF": "degC", "K": "degC", "mph": "km/h"}


def likely_units(columns: Sequence[Column]) -> Mapping[str, str]:
    """Units that training figures give away: no weather has 60 °C, and who says °F says mph."""
    found = {}
    for column in columns:
        reach = _reach(column)
        if column.unit is None and reach is not None and _TEMPERATURE.search(column.name):
            low, high = reach
            if low > 180 and high < 340:
                found[column.name] = "K"
            elif low > -80 and 60 < high < 140:
                found[column.name] = "degF"
    if "degF" in found.values():
        found |= {c.name: "mph" for c in columns if c.unit is None and _WIND.search(c.name)}
    return found


def _reach(column: Column) -> tuple[float, float] | None:
    """Where most of training lay."""
    if column.low is not None and column.high is not None:
        return column.low, column.high
    if column.center is not None and column.spread is not None:
        return column.center - 2 * column.spread, column.center + 2 * column.spread
    return None


@dataclass(frozen=True)
class Suggestion:
    """Lines of adapter.yaml to look at, correct and use, and why."""

    reasons: tuple[str, ...]
    yaml: str


def suggest(columns: Sequence[Column], old: OldAdapter | None) -> Suggestion | None:
    """What to declare, where an adapter says too little; `None` when there is nothing to say."""
    units = likely_units(columns)
    unknown = old.unknown([c.name for c in columns]) if old else []
    reasons = [f"{c.name}: {_reason(c, units[c.name])}" for c in columns if c.name in units]
    reasons += [
        f"{name}: the adapter says nothing about it, so a row must carry {name} itself" for name in unknown
    ]
    if not reasons:
        return None
    lines = ["features:"]
    for column in columns:
        lines += _rule(column.name, units.get(column.name), old, column.name in unknown)
    return Suggestion(tuple(reasons), "\n".join(lines) + "\n")


def _reason(column: Column, unit: str) -> str:
    looks = "probably mph, as the temperatures are degF" if unit == "mph" else f"which looks like {unit}"
    return f"trained around {column.trained_on() or 'unknown figures'}, {looks}; is that what the rows carry?"


def _rule(name: str, unit: str | None, old: OldAdapter | None, unknown: bool) -> list[str]:
    mapping = old.mapping if old else {}
    field, key = _plain(mapping.get(name, name)), _plain(name)
    if unknown and _DEW_POINT.search(name):
        temperature = _plain(mapping.get("temperature", "temperature"))
        humidity = _plain(mapping.get("humidity", "humidity"))
        return [
            f"  {key}:",
            "    derive: dew_point",
            "    of:",
            f"      temperature: {{field: {temperature}, unit: degC}}",
            f"      humidity: {{field: {humidity}, unit: percent}}",
            f"    model_unit: {unit or 'degC'}",
        ]
    if unit is not None:
        return [f"  {key}: {{field: {field}, unit: {_IN_A_ROW[unit]}, model_unit: {unit}}}"]
    if unknown or field != key:
        return [f"  {key}: {{field: {field}}}"]
    return []


def _plain(name: str) -> str:
    """As YAML takes it: in quotes where a name is more than a word, or a word of YAML's own such as NO."""
    word = re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) and yaml.safe_load(name) == name
    return name if word else json.dumps(name)
