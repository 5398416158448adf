"""Rows of several partitions as one sequence: next is the partition whose next record is oldest.

As Kafka Streams picks the next record of a task (KIP-353, KIP-695). What a partition holds beyond
what was fetched is not known, so nothing newer than the last row fetched of it goes on, unless it was read
to its end, or has been silent for so long that it is no longer waited for.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from confluent_kafka import Message

from foretell.stream.messages.blocks import Place

PATIENCE_S = 5.0  # for a partition that gives neither rows nor its end, as when its broker is away
FULL = 20_000  # rows of a partition that wait for others; then it is not read on until half of them are gone


@dataclass(slots=True)
class _Lane:
    """A partition: rows that wait, in its own order.

    Attributes:
        times: a number a row, never falling: of a row older than one before it, that one's time.
        end: where it ends, once it was read up to there. since: when it last gave or had something.
        held: it is not read on.
    """

    since: float
    rows: list[Message] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    end: int | None = None
    held: bool = False


class Merge:
    """Between the consumer and the blocks: rows in as they were fetched, rows out by time.

    Attributes:
        more: rows were left behind that could go on at once.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lanes: dict[Place, _Lane] = {}
        self.more = False

    def join(self, places: Iterable[Place]) -> None:
        """Partitions that are read from now on; of one that is known, rows that wait will be read again."""
        for place in places:
            held = place in self._lanes and self._lanes[place].held
            self._lanes[place] = _Lane(self._clock(), held=held)

    def leave(self, places: Iterable[Place]) -> list[Place]:
        """Partitions that are read no more; gives those that were held."""
        gone = {place: self._lanes.pop(place) for place in places if place in self._lanes}
        return [place for place, lane in gone.items() if lane.held]

    def __contains__(self, place: Place) -> bool:
        return place in self._lanes

    def put(self, rows: Iterable[Message], ends: Mapping[Place, int]) -> None:
        """What was fetched; an end, where no row follows on it."""
        now = self._clock()
        for message in rows:
            lane = self._lanes[message.topic(), message.partition()]
            time_ms = message.timestamp()[1]
            lane.times.append(max(time_ms, lane.times[-1]) if lane.times else time_ms)
            lane.rows.append(message)
            lane.end, lane.since = None, now
        for place, end in ends.items():
            lane = self._lanes[place]
            if not lane.rows or lane.rows[-1].offset() < end:
                lane.end, lane.since = end, now

    def take(self, most: int) -> tuple[list[Message], dict[Place, int]]:
        """The oldest rows, `most` of them at most; and the ends of partitions of which none waits."""
        lanes = list(self._lanes.values())
        if not lanes:
            return [], {}
        bound = min(map(self._known_until, lanes))
        times = [np.array(lane.times[:most], np.int64) for lane in lanes]
        counts = [int(np.searchsorted(each, bound, side="right")) for each in times]
        ready = [message for lane, n in zip(lanes, counts, strict=True) for message in lane.rows[:n]]
        keys = [each[:n] for each, n in zip(times, counts, strict=True)]
        order = np.argsort(np.concatenate(keys), kind="stable")
        self.more = len(order) > most
        chosen = order[:most]
        owner = np.repeat(np.arange(len(lanes)), counts)[chosen]
        for lane, n in zip(lanes, np.bincount(owner, minlength=len(lanes)).tolist(), strict=True):
            self._shorten(lane, n)
        ends = {p: lane.end for p, lane in self._lanes.items() if not lane.rows and lane.end is not None}
        return [ready[i] for i in chosen.tolist()], ends

    def to_hold(self) -> list[Place]:
        """Partitions that are far ahead of others: they are not to be read on."""
        found = [place for place, lane in self._lanes.items() if not lane.held and len(lane.rows) > FULL]
        for place in found:
            self._lanes[place].held = True
        return found

    def to_let_go(self) -> list[Place]:
        """Partitions that were held, and are to be read on."""
        found = [place for place, lane in self._lanes.items() if lane.held and len(lane.rows) <= FULL // 2]
        for place in found:
            self._lanes[place].held = False
        return found

    def _known_until(self, lane: _Lane) -> float:
        """Up to this time no older row of it can come; of a silent one it is not asked."""
        if lane.end is not None:
            return np.inf
        if lane.times:
            return lane.times[-1]
        return np.inf if self._clock() - lane.since > PATIENCE_S else -np.inf

    def _shorten(self, lane: _Lane, count: int) -> None:
        if count:
            del lane.rows[:count], lane.times[:count]
            lane.since = self._clock()
