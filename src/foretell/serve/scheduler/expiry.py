"""Whose deadline passes when."""

import heapq
import math

from foretell.serve.scheduler.work import State, Work


class Expiry:
    """Works by deadline; those that have ended are dropped when they come up, or when they are the most."""

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, Work]] = []
        self._added = 0

    def add(self, work: Work, waiting: int) -> None:
        """`waiting`: works that are in flight."""
        if work.deadline == math.inf:
            return
        self._added += 1
        heapq.heappush(self._entries, (work.deadline, self._added, work))
        if len(self._entries) > 2 * waiting + 64:
            self._entries = [entry for entry in self._entries if entry[2].state is State.WAITING]
            heapq.heapify(self._entries)

    def earliest(self) -> float:
        """The next deadline; infinity where nobody has one."""
        while self._entries and self._entries[0][2].state is not State.WAITING:
            heapq.heappop(self._entries)
        return self._entries[0][0] if self._entries else math.inf

    def due(self, now: float) -> list[Work]:
        """Works whose deadline has passed; they are named once."""
        due: list[Work] = []
        while self._entries and self.earliest() <= now:
            due.append(heapq.heappop(self._entries)[2])
        return due
