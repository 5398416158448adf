"""How replicas tell one another what was spent: each has a mailbox, and the others put it in there."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from foretell.serve.security.limits import PERIOD, Limits, Spent

SILENT = 2.0  # seconds after which a replica that says nothing no longer counts
FORGOTTEN = 60.0  # seconds after which it will not come back for its mail
_LATE = 1.0  # seconds for one exchange before it is given up
_LASTS = 5.0  # seconds without one: the start or the end of a fleet is no reason to warn
log = logging.getLogger(__name__)


class News(NamedTuple):
    """What the others spent since the replica last asked, and how many replicas there are with itself."""

    others: dict[str, Spent]
    replicas: int


class Exchange(Protocol):
    """A way to the other replicas."""

    async def swap(self, replica: str, spent: Mapping[str, Spent]) -> News:
        """Tell what this replica spent and hear of the others. Raises whatever went wrong on the way."""
        ...


class Mailboxes:
    """Pure: what `swap` means, with the clock passed in."""

    def __init__(self) -> None:
        self._mail: dict[str, dict[str, Spent]] = {}
        self._heard: dict[str, float] = {}

    def swap(self, replica: str, spent: Mapping[str, Spent], now: float) -> News:
        for gone in [name for name, at in self._heard.items() if now - at > FORGOTTEN]:
            del self._heard[gone], self._mail[gone]
        self._heard[replica] = now
        for name, box in self._mail.items():
            if name != replica:
                for bucket, (amount, rate) in spent.items():
                    before = box[bucket].amount if bucket in box else 0.0
                    box[bucket] = Spent(before + amount, rate)
        mail, self._mail[replica] = self._mail.get(replica, {}), {}
        return News(mail, sum(now - at <= SILENT for at in self._heard.values()))


async def keep_exchanging(
    limits: Limits, exchange: Exchange, replica: str, clock: Callable[[], float] = time.monotonic
) -> None:
    """Exchange every `PERIOD` until cancelled, on the loop that admits; one log line a change that lasts.

    What an exchange that failed had to tell is told by the next. In the meantime `Limits` keeps to what it
    may grant without news.
    """
    since: float | None = None  # when exchanges began to fail
    told_so = False
    while True:
        told = limits.report()
        try:
            news = await asyncio.wait_for(exchange.swap(replica, told), _LATE)
        except Exception as error:
            since = clock() if since is None else since
            if not told_so and clock() - since >= _LASTS:
                told_so = True
                log.warning("limits: no exchange with other replicas", extra={"error": type(error).__name__})
        else:
            limits.settle(told, news.others, news.replicas, clock())
            if told_so:
                log.info("limits: exchange with other replicas is back", extra={"replicas": news.replicas})
            since, told_so = None, False
        await asyncio.sleep(PERIOD)
