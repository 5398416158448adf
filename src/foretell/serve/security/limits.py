"""Token buckets that several replicas share: pure, with the clock passed in.

Each replica keeps the whole bucket of each client. Every `PERIOD` it tells the others what it spent and takes
off what they spent (`exchange.py`), so one busy connection has its client's full rate, and twenty replicas
together grant it once. What a replica cannot know yet is bounded: between two exchanges it grants at most its
share of the burst and what the full rate yields; when no exchange comes for `GRACE`, its share of the rate.

Over any time t all replicas together grant at most `rate * t + burst + slack` with
`slack = (replicas - 1) * (burst + rate * delay)`, where `delay` is how old the news of others may be, some
2 × `PERIOD`; not a second time, for what was granted too much is paid back before anything else is granted.
"""

from collections.abc import Mapping
from typing import NamedTuple

BURST = 1.0  # seconds' worth of the rate that may come at once
PERIOD = 0.1  # seconds between exchanges
GRACE = 0.3  # seconds without an exchange before a replica keeps to its share of the rate


class Spent(NamedTuple):
    """What went out of a bucket, in requests or rows, and the bucket's rate, per second."""

    amount: float
    rate: float


class Limits:
    """All buckets of a replica, by name. Not for several threads: it lives on the loop that admits."""

    def __init__(self, replicas: int = 1) -> None:
        """`replicas`: how many there are as far as is known before the first exchange."""
        self._replicas = max(replicas, 1)
        self._buckets: dict[str, _Bucket] = {}
        self._exchanged: float | None = None

    def take(self, name: str, rate: float, amount: float, now: float) -> float:
        """Take `amount` out of the bucket, all of it or nothing.

        Returns:
            0 when it was taken; otherwise seconds until it may be there; infinity for more than the burst.
        """
        if self._exchanged is None:
            self._exchanged = now
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = _Bucket(rate, now)
        bucket.refill(rate, now)
        wait = bucket.wait(amount)
        if wait == 0 and not self._allows(bucket, amount, now - self._exchanged):
            wait = PERIOD
        if wait == 0:
            bucket.missing += amount
            bucket.untold += amount
        return wait

    def _allows(self, bucket: "_Bucket", amount: float, silent: float) -> bool:
        """Whether the others need not hear first. The first grant after an exchange always goes through: a
        share of a small burst may be less than one request."""
        share = bucket.rate / self._replicas
        grown = bucket.rate * min(silent, GRACE) + share * max(silent - GRACE, 0.0)
        return bucket.untold == 0 or bucket.untold + amount <= burst(bucket.rate) / self._replicas + grown

    def report(self) -> dict[str, Spent]:
        """What was spent here and not yet told; it counts as told once `settle` is given it."""
        return {name: Spent(b.untold, b.rate) for name, b in self._buckets.items() if b.untold}

    def settle(
        self, told: Mapping[str, Spent], others: Mapping[str, Spent], replicas: int, now: float
    ) -> None:
        """An exchange has come about: `told` was reported, `others` was spent elsewhere since the last."""
        self._replicas, self._exchanged = max(replicas, 1), now
        for name, spent in told.items():
            self._buckets[name].untold -= spent.amount
        for name, spent in others.items():
            bucket = self._buckets.setdefault(name, _Bucket(spent.rate, now))
            bucket.refill(bucket.rate, now)
            bucket.missing += spent.amount
        for name, bucket in list(self._buckets.items()):
            bucket.refill(bucket.rate, now)
            if bucket.missing == 0 and bucket.untold == 0:
                del self._buckets[name]  # a new one would be the same


class _Bucket:
    """`missing`: what must flow in until it is full; above the burst, a debt. `untold`: spent here alone."""

    __slots__ = ("at", "missing", "rate", "untold")

    def __init__(self, rate: float, now: float) -> None:
        self.rate, self.at = rate, now
        self.missing = self.untold = 0.0

    def refill(self, rate: float, now: float) -> None:
        """The time until now has run at the old rate; from here on the new one holds."""
        self.missing = max(0.0, self.missing - self.rate * max(now - self.at, 0.0))
        self.rate, self.at = rate, max(now, self.at)

    def wait(self, amount: float) -> float:
        depth = burst(self.rate)
        if amount > depth:
            return float("inf")
        return max(0.0, (self.missing + amount - depth) / self.rate)


def burst(rate: float) -> float:
    """How much may come at once, at the least one."""
    return max(1.0, rate * BURST)
