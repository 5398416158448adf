"""Buckets that replicas share: the rate holds over all of them, and one busy replica has all of it."""

from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretell.serve.security.exchange import FORGOTTEN, Mailboxes
from foretell.serve.security.limits import GRACE, PERIOD, Limits, Spent, burst


def test_one_replica_grants_burst_then_rate() -> None:
    limits = Limits()
    granted = sum(not limits.take("a", 10.0, 1, step / 1000) for step in range(5000))
    assert granted == 10 + 49  # the burst, and 10 a second for 4.999 s


def test_wait_is_when_it_will_be_there() -> None:
    limits = Limits()
    for _ in range(10):
        assert limits.take("a", 10.0, 1, 0.0) == 0
    wait = limits.take("a", 10.0, 1, 0.05)
    assert wait == pytest.approx(0.05)
    assert limits.take("a", 10.0, 1, 0.05 + wait * 0.99) > 0
    assert limits.take("a", 10.0, 1, 0.05 + wait) == 0


def test_a_slow_rate_still_grants_one() -> None:
    limits = Limits()
    assert limits.take("a", 0.1, 1, 0.0) == 0
    assert limits.take("a", 0.1, 1, 0.0) == pytest.approx(10.0)


def test_more_than_the_burst_never_fits() -> None:
    limits = Limits()
    assert limits.take("a", 10.0, 11, 0.0) == inf
    assert limits.take("a", 10.0, 10, 0.0) == 0


def test_clients_do_not_share() -> None:
    limits = Limits()
    assert limits.take("a", 1.0, 1, 0.0) == 0
    assert limits.take("a", 1.0, 1, 0.0) > 0
    assert limits.take("b", 1.0, 1, 0.0) == 0


def test_a_new_rate_holds_from_the_next_request() -> None:
    limits = Limits()
    for _ in range(10):
        limits.take("a", 10.0, 1, 0.0)
    assert sum(not limits.take("a", 100.0, 1, 1.0) for _ in range(200)) == 100


def test_a_clock_that_stands_still_or_goes_back_grants_nothing() -> None:
    limits = Limits()
    assert limits.take("a", 1.0, 1, 5.0) == 0
    assert limits.take("a", 1.0, 1, 4.0) > 0
    assert limits.take("a", 1.0, 1, 5.0) > 0


class Fleet:
    """Replicas and their mailboxes."""

    def __init__(self, replicas: int) -> None:
        self.boxes, self.replicas = Mailboxes(), [Limits(replicas) for _ in range(replicas)]

    def swap(self, replica: int, now: float) -> None:
        told = self.replicas[replica].report()
        news = self.boxes.swap(str(replica), told, now)
        self.replicas[replica].settle(told, news.others, news.replicas, now)

    def swap_all(self, now: float) -> None:
        for replica in range(len(self.replicas)):
            self.swap(replica, now)

    def offer(self, replica: int, rate: float, count: int, now: float) -> int:
        return sum(not self.replicas[replica].take("a", rate, 1, now) for _ in range(count))


@pytest.mark.parametrize("replicas", [2, 4, 20])
def test_one_busy_replica_has_the_full_rate(replicas: int) -> None:
    fleet, granted = Fleet(replicas), 0
    fleet.swap_all(0.0)
    for step in range(1, 1001):
        granted += fleet.offer(0, 100.0, 5, step / 100)
        if step % 10 == 0:
            fleet.swap_all(step / 100)
    assert 1000 <= granted <= 1000 + 100


@pytest.mark.parametrize("replicas", [2, 4, 20])
def test_many_replicas_do_not_multiply_it(replicas: int) -> None:
    fleet, granted = Fleet(replicas), []
    fleet.swap_all(0.0)
    for step in range(1, 2001):
        now = step / 100
        granted.append(sum(fleet.offer(replica, 100.0, 5, now) for replica in range(replicas)))
        if step % 10 == 0:
            fleet.swap_all(now)
    assert sum(granted) <= 2000 + 100 + replicas * 100 * 2 * PERIOD
    assert sum(granted) >= 2000 * 0.9
    assert sum(granted[1000:]) <= 1000 + 100 * 2 * PERIOD, "what was granted too much is paid back"


@pytest.mark.parametrize("replicas", [2, 4, 20])
def test_without_exchange_each_keeps_to_its_share(replicas: int) -> None:
    fleet, granted = Fleet(replicas), 0
    for step in range(1001):
        granted += sum(fleet.offer(replica, 100.0, 5, step / 100) for replica in range(replicas))
    assert granted <= 1000 + 100 + replicas * (100 * GRACE + 1)
    assert granted >= 1000 * 0.9


def test_a_silent_replica_counts_no_more_and_keeps_its_mail_for_a_while() -> None:
    boxes = Mailboxes()
    assert boxes.swap("a", {}, 0.0).replicas == 1
    assert boxes.swap("b", {}, 0.0).replicas == 2
    assert boxes.swap("a", {"x": Spent(3, 1.0)}, 3.0).replicas == 1
    assert boxes.swap("a", {"x": Spent(2, 1.0)}, 4.0).replicas == 1
    assert boxes.swap("b", {}, 5.0) == ({"x": Spent(5, 1.0)}, 2)
    assert boxes.swap("b", {}, 5.1) == ({}, 2)
    boxes.swap("a", {"x": Spent(1, 1.0)}, 6.0)
    boxes.swap("a", {}, 6.0 + FORGOTTEN)
    assert boxes.swap("b", {}, 6.1 + FORGOTTEN).others == {}


def test_idle_clients_are_forgotten() -> None:
    fleet = Fleet(2)
    fleet.swap_all(0.0)
    for client in range(100):
        fleet.replicas[0].take(f"client-{client}", 1.0, 1, 0.0)
    fleet.swap_all(0.1)
    fleet.swap_all(0.2)
    assert len(fleet.replicas[1]._buckets) == 100
    fleet.swap_all(5.0)
    fleet.swap_all(5.1)
    assert [len(replica._buckets) for replica in fleet.replicas] == [0, 0]


STEP = st.tuples(
    st.sampled_from(["ask", "ask", "ask", "swap"]), st.integers(0, 3), st.integers(1, 5), st.floats(0.0, 0.6)
)


@settings(max_examples=100)
@given(rate=st.floats(0.2, 50.0), replicas=st.integers(1, 4), steps=st.lists(STEP, min_size=1, max_size=80))
def test_never_more_than_rate_burst_and_slack(
    rate: float, replicas: int, steps: list[tuple[str, int, int, float]]
) -> None:
    """Whatever the order of requests and exchanges, at each moment, for each stretch that ends there."""
    fleet, now = Fleet(replicas), 0.0
    took: list[tuple[float, int, int]] = []  # when, who, how much
    pairs = [(a, b) for a in range(replicas) for b in range(replicas) if a != b]
    told = dict.fromkeys(pairs, 0.0)  # (teller, hearer): up to when all is known
    posted = dict.fromkeys(range(replicas), 0.0)
    delay = 0.0
    for what, who, amount, pause in steps:
        now, who = now + pause, who % replicas
        if what == "swap":
            fleet.swap(who, now)
            posted[who] = now
            for teller in range(replicas):
                if teller != who:
                    told[teller, who] = posted[teller]
            continue
        if not fleet.replicas[who].take("a", rate, amount, now):
            took.append((now, who, amount))
            delay = max([delay, *(now - told[other, who] for other in range(replicas) if other != who)])
        total = sum(amount for _, _, amount in took)
        slack = (replicas - 1) * (burst(rate) + rate * delay)
        assert total <= rate * now + burst(rate) + slack + 1e-6


@settings(max_examples=100)
@given(
    rate=st.floats(0.2, 50.0), asks=st.lists(st.tuples(st.integers(1, 5), st.floats(0.0, 2.0)), max_size=80)
)
def test_one_replica_is_a_token_bucket(rate: float, asks: list[tuple[int, float]]) -> None:
    """Against the plain model: tokens flow in up to the burst, and a grant takes them."""
    limits, now, tokens = Limits(), 0.0, burst(rate)
    for amount, pause in asks:
        now, tokens = now + pause, min(burst(rate), tokens + rate * pause)
        wait = limits.take("a", rate, amount, now)
        if abs(tokens - amount) > 1e-6:
            assert (wait == 0) == (tokens >= amount)
        if wait == 0:
            tokens -= amount
