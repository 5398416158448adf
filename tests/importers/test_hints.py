"""Units are guessed from training figures only where the figures leave no other reading."""

import pytest

from foretell.bundle.manifest import Column
from foretell.importers.adaptation import OldAdapter
from foretell.importers.hints import likely_units, suggest
from foretell.rows.adapter_file import parse_adapter


@pytest.mark.parametrize(
    ("column", "unit"),
    [
        (Column("temperature", center=50.3, spread=20.3), "degF"),
        (Column("dewpoint", center=40.0, spread=18.6), "degF"),
        (Column("temperature", center=18.0, spread=9.0), None),
        (Column("Temperature", low=-20.0, high=41.0), None),
        (Column("temp_max", low=10.0, high=104.0), "degF"),
        (Column("air_temperature", center=283.0, spread=9.0), "K"),
        (Column("T_out_x_RH_out", low=-455.7, high=1193.0), None),
        (Column("temperature"), None),
        (Column("pressure", center=1013.0, spread=9.0), None),
        (Column("temperature", unit="degC", center=50.3, spread=20.3), None),
    ],
)
def test_what_figures_give_away(column: Column, unit: str | None) -> None:
    assert likely_units([column]).get(column.name) == unit


def test_miles_go_with_fahrenheit() -> None:
    wind = Column("wind_speed", center=8.6, spread=2.3)
    assert likely_units([wind]) == {}
    assert likely_units([Column("temperature", center=50.3, spread=20.3), wind])["wind_speed"] == "mph"


def test_nothing_to_say_where_all_is_plain() -> None:
    assert suggest([Column("load", center=5.0, spread=1.0)], None) is None


def test_the_lines_are_an_adapter() -> None:
    columns = [Column("temperature", center=50.3, spread=20.3), Column("dew_point"), Column("rain")]
    old = OldAdapter("mine.Adapter", {"temperature": "t_mean", "humidity": "rh"}, {})
    suggestion = suggest(columns, old)
    assert suggestion is not None
    rules = parse_adapter(suggestion.yaml, [c.name for c in columns]).features
    assert (rules["temperature"].field, rules["temperature"].unit) == ("t_mean", "degC")
    assert {name: source.field for name, source in rules["dew_point"].of.items()} == {
        "temperature": "t_mean",
        "humidity": "rh",
    }
    assert rules["rain"].field == "rain"


def test_names_that_yaml_would_read_otherwise() -> None:
    names = ["T (degC), temp: {max}", "no dew point", 'a "quoted" temp', "NO"]
    columns = [Column(name, center=50.3, spread=20.3) for name in names]
    suggestion = suggest(columns, OldAdapter("mine.Adapter", {}, {}))
    assert suggestion is not None
    assert [parse_adapter(suggestion.yaml, names).features[name].field for name in names] == names
