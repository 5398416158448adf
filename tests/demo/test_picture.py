"""The picture, dot by dot."""

import numpy as np

from foretell.demo.picture import picture

NONE = np.array([np.nan, np.nan, np.nan, np.nan])


def text(actual: list[float], *forecasts: tuple[int, list[float]], colour: bool = True) -> list[str]:
    lines = picture(np.array(actual), [(at, np.array(v)) for at, v in forecasts], (2, 1), (), colour=colour)
    return [line.plain[6:] for line in lines]


def test_a_rising_line() -> None:
    assert text([0.0, 1.0, 2.0, 3.0]) == ["⡠⠊"]


def test_a_hole_breaks_the_line() -> None:
    assert text([0.0, np.nan, np.nan, 3.0]) == ["⡀⠈"]


def test_a_forecast_joins_what_happened() -> None:
    assert text([0.0, 0.0, 0.0, 3.0], (2, [3.0, 3.0])) == ["⣀⡝"]


def test_without_colour_a_forecast_alone_has_a_mark_of_its_own() -> None:
    assert text([0.0, 0.0, np.nan, np.nan], (2, [3.0, 3.0]), colour=False) == ["⣀∘"]


def test_nothing_known_is_an_empty_picture() -> None:
    assert picture(NONE, [], (2, 2))[0].plain.endswith("⠀⠀")


def test_axis_and_days() -> None:
    lines = [
        line.plain for line in picture(np.array([10.0, 20.0]), [], (20, 3), [(0, "1 Oct"), (1, "2 Oct")])
    ]
    assert [line[:6] for line in lines[:3]] == ["   20 ", "   15 ", "   10 "]
    assert lines[3] == "      1 Oct"
