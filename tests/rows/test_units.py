"""Conversion by unit name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretell.errors import AdapterError
from foretell.rows.units import _ALIASES, _DIMENSIONS, _UNITS, canonical, conversion, dimension

KNOWN = [
    (20.0, "degC", 68.0, "degF"),
    (-40.0, "degF", -40.0, "degC"),
    (0.0, "degC", 273.15, "K"),
    (36.0, "km/h", 10.0, "m/s"),
    (100.0, "km/h", 62.137119, "mph"),
    (10.0, "kt", 5.144444, "m/s"),
    (1013.25, "hPa", 101.325, "kPa"),
    (29.92126, "inHg", 1013.25, "hPa"),
    (760.0, "mmHg", 1013.25, "hPa"),
    (1.0, "in", 25.4, "mm"),
    (59.0, "percent", 0.59, "fraction"),
    (1.2, "kW/m2", 1200.0, "W/m2"),
]


@pytest.mark.parametrize(("value", "source", "wanted", "target"), KNOWN)
def test_known_values(value: float, source: str, wanted: float, target: str) -> None:
    found = conversion(source, target)
    assert value * found.factor + found.offset == pytest.approx(wanted, rel=1e-6)


@given(st.floats(-1e4, 1e4), st.sampled_from(sorted(_UNITS)), st.data())
def test_there_and_back(value: float, source: str, data: st.DataObject) -> None:
    target = data.draw(st.sampled_from(sorted(_DIMENSIONS[dimension(source)])))
    there, back = conversion(source, target), conversion(target, source)
    again = (value * there.factor + there.offset) * back.factor + back.offset
    assert again == pytest.approx(value, rel=1e-9, abs=1e-6)


@pytest.mark.parametrize(
    ("written", "unit"),
    [
        ("°C", "degC"),
        ("celsius", "degC"),
        ("kph", "km/h"),
        ("kmh", "km/h"),
        ("knots", "kt"),
        ("mbar", "hPa"),
        ("%", "percent"),
        ("W/m²", "W/m2"),
        ("HPA", "hPa"),
        (" mph ", "mph"),
        ("Deg C", "degC"),
    ],
)
def test_other_spellings(written: str, unit: str) -> None:
    assert canonical(written) == unit


def test_no_alias_means_two_things() -> None:
    aliases = [alias for names in _ALIASES.values() for alias in names.split()]
    assert len(aliases) == len(set(aliases))
    assert _ALIASES.keys() <= _UNITS.keys()
    folded = {unit.lower(): unit for unit in _UNITS}
    assert len(folded) == len(_UNITS)
    assert all(folded.get(alias, unit) == unit for unit, names in _ALIASES.items() for alias in names.split())


def test_different_dimensions_are_refused_by_name() -> None:
    with pytest.raises(AdapterError, match=r"degC is a temperature and mph a speed"):
        conversion("celsius", "mph")


def test_an_unknown_unit_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(AdapterError, match="unknown unit 'furlong'") as caught:
        conversion("furlong", "m")
    assert caught.value.cure is not None
    assert "km/h" in caught.value.cure
