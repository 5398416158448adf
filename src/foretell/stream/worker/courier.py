"""Writes a turn's messages and delivers them while the network computes the next one.

The network needs no interpreter while it computes, so what is done then costs the loop next to no time; what
is done while the loop reads rows costs it as much as if it did it itself. So a turn waits for `go`.
"""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from confluent_kafka import TopicPartition

from foretell.stream.messages.blocks import Outgoing, Polled
from foretell.stream.worker.transaction import Aborted, Delivery


@dataclass(slots=True)
class Turn:
    """What a poll became, and who we were in the group when it was polled.

    Attributes:
        aborted: why it was not delivered, when it was not.
        seconds: that its messages and their delivery took. at: when it ended (`time.time`).
    """

    polled: Polled
    out: Outgoing
    membership: Any
    aborted: str | None = None
    seconds: float = 0.0
    at: float = 0.0

    @property
    def offsets(self) -> list[TopicPartition]:
        """Where the group goes on after it."""
        return [TopicPartition(t, p, o) for (t, p), o in self.polled.next_offsets().items()]


class Courier:
    """One turn at most is under way; it is settled before the next is sent."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self._thread = ThreadPoolExecutor(1, "deliver")
        self._going = threading.Event()
        self._under_way: Future[Turn] | None = None

    def send(self, turn: Turn) -> None:
        """Hand a turn over; returns at once. It sets out at `go`, or when somebody waits for it."""
        self._going.clear()
        self._under_way = self._thread.submit(self._deliver, turn)

    def go(self) -> None:
        """The loop does not need the interpreter now: it computes, or has nothing to do."""
        self._going.set()

    def settle(self) -> Turn | None:
        """Wait for the turn that is under way, if one is. For the thread that polls.

        Raises:
            Fenced, KafkaError: as `Delivery.send`.
        """
        under_way, self._under_way = self._under_way, None
        if under_way is None:
            return None
        self.go()
        turn = under_way.result()
        if turn.aborted is None:
            try:
                self._delivery.confirm(turn.offsets)
            except Aborted as aborted:
                turn.aborted = str(aborted)
        return turn

    def close(self) -> None:
        self.go()
        self._thread.shutdown()

    def _deliver(self, turn: Turn) -> Turn:
        self._going.wait()
        began = time.monotonic()
        turn.out.complete()
        try:
            self._delivery.send(turn.out, turn.offsets, turn.membership)
        except Aborted as aborted:
            turn.aborted = str(aborted)
        turn.seconds, turn.at = time.monotonic() - began, time.time()
        return turn
