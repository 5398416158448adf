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
    assert Inline(8).rows(1, 1, 8) == 0


def test_what_one_turn_brought_fits_up_to_a_millisecond(inline: Inline) -> None:
    assert inline.rows(1, 1, 64) == inline.rows(32, 32, 32) == 32
    assert inline.rows(1_000, 1_000, 128) == 32, "with a large batch there is no more to gain"


def test_where_large_batches_gain_much_they_are_the_threads() -> None:
    heavy = Inline(128)
    heavy.seed({1: 6e-4, 32: 8e-3, 128: 3e-2})
    assert heavy.rows(1, 1, 32) == 1
    assert heavy.rows(32, 32, 32) == 0


def test_what_never_fits_is_the_threads() -> None:
    heavy = Inline(8)
    heavy.seed({1: 2e-3})
    assert heavy.rows(1, 1, 8) == 0


def test_several_large_calls_are_the_threads(inline: Inline) -> None:
    assert inline.rows(1, 32, 64) == 32
    assert inline.rows(4, 128, 64) == 0


def test_turns_are_waited_for_while_they_bring_more(inline: Inline) -> None:
    assert inline.gathers(1, now=0.0)
    assert inline.gathers(9, now=1e-4)
    assert not inline.gathers(9, now=2e-4)
    assert inline.gathers(1, now=3e-4), "the next batch begins anew"
    assert not inline.gathers(2, now=3e-4 + 2e-3), "it took too long"


def test_one_who_was_alone_does_not_wait(inline: Inline) -> None:
    assert inline.gathers(1, now=0.0)
    assert not inline.gathers(1, now=1e-4)
    for _ in range(3):
        assert not inline.gathers(1, now=1.0)
    assert inline.gathers(2, now=2.0), "now there are others"


def test_after_a_surprise_ten_have_to_be_quick(inline: Inline) -> None:
    inline.saw(1, 5e-3)
    for _ in range(10):
        assert not inline.rows(1, 1, 1)
        inline.saw(1, 1e-4)
    assert inline.rows(1, 1, 1)


def test_what_is_long_by_nature_is_no_surprise(inline: Inline) -> None:
    inline.saw(128, 4e-3)
    assert inline.rows(1, 1, 1)


def test_it_learns_what_has_become_slow(inline: Inline) -> None:
    for _ in range(40):
        inline.saw(1, 2.5e-3)
    assert not inline.rows(1, 1, 1)


def test_what_failed_teaches_nothing_but_may_surprise(inline: Inline) -> None:
    for _ in range(5):
        inline.saw(1, 2e-3, failed=True)
    assert inline.rows(1, 1, 1)
    inline.saw(1, 5e-3, failed=True)
    assert not inline.rows(1, 1, 1)
