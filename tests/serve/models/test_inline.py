"""When the loop evaluates by itself."""

import pytest

from foretell.serve.models.inline import Inline


@pytest.fixture
def inline() -> Inline:
    """A light model: 0.1 ms for a row, 0.8 ms for 32."""
    inline = Inline(128)
    inline.seed({1: 1e-4, 32: 8e-4, 128: 3e-3})
    return inline


def test_until_something_was_measured_nothing_fits() -> None:
    assert not Inline(8).fits(1, 1.0)
    assert not Inline(8).fits_turn(1)


def test_one_fits_where_no_other_is_likely_to_come_meanwhile(inline: Inline) -> None:
    assert inline.fits(1, gap=1e-3)
    assert not inline.fits(1, gap=1e-4)
    assert not inline.fits(32, gap=1.0)


def test_a_turn_fits_up_to_a_millisecond(inline: Inline) -> None:
    assert inline.fits_turn(32)
    assert not inline.fits_turn(128)


def test_after_a_surprise_ten_have_to_be_quick(inline: Inline) -> None:
    inline.saw(1, 5e-3)
    for _ in range(10):
        assert not inline.fits_turn(1)
        inline.saw(1, 1e-4)
    assert inline.fits_turn(1)


def test_what_is_long_by_nature_is_no_surprise(inline: Inline) -> None:
    inline.saw(128, 4e-3)
    assert inline.fits_turn(1)


def test_it_learns_what_has_become_slow(inline: Inline) -> None:
    for _ in range(20):
        inline.saw(32, 2.5e-3)
    assert not inline.fits_turn(32)


def test_what_failed_teaches_nothing_but_may_surprise(inline: Inline) -> None:
    for _ in range(5):
        inline.saw(32, 2e-3, failed=True)
    assert inline.fits_turn(32)
    inline.saw(32, 5e-3, failed=True)
    assert not inline.fits_turn(32)
