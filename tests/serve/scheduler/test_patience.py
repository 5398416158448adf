"""How soon callers usually want to be answered."""

import math

from foretell.serve.scheduler.patience import Patience


def test_it_is_unknown_until_somebody_says_so_and_after_a_minute_without() -> None:
    patience = Patience()
    patience.saw(math.inf, 0.0)
    assert patience.usual(0.0) == math.inf
    patience.saw(0.1, 1.0)
    assert patience.usual(2.0) == 0.1
    assert patience.usual(70.0) == math.inf


def test_of_two_kinds_of_callers_the_hasty_ones_count() -> None:
    patience = Patience()
    for i in range(200):
        patience.saw(0.1 if i % 4 == 0 else 10.0, i / 100)
    assert 0.1 <= patience.usual(2.0) < 0.15


def test_what_came_too_late_says_nothing() -> None:
    patience = Patience()
    for i in range(100):
        patience.saw(-0.05 if i % 2 else 0.1, i / 100)
    assert patience.usual(1.0) == 0.1


def test_a_single_hasty_call_is_soon_forgotten() -> None:
    patience = Patience()
    for i in range(100):
        patience.saw(0.001 if i == 10 else 0.1, i / 100)
    assert patience.usual(1.0) > 0.09
