"""A heap whose entries may go out of date: those are dropped when they come up."""

import heapq
from typing import Generic, TypeVar

from foretell.serve.scheduler.work import Job

Key = TypeVar("Key", float, tuple[float, ...])


class Heap(Generic[Key]):
    """Jobs by key, equal keys by arrival. An entry holds while its job waits and was not placed anew."""

    def __init__(self) -> None:
        self._entries: list[tuple[Key, int, int, Job]] = []

    def push(self, key: Key, job: Job) -> None:
        heapq.heappush(self._entries, (key, job.order, job.entry, job))

    def top(self) -> Job | None:
        entries = self._entries
        while entries:
            _, _, entry, job = entries[0]
            if entry == job.entry and job.waiting:
                return job
            heapq.heappop(entries)
        return None

    def pop(self) -> Job | None:
        job = self.top()
        if job is not None:
            heapq.heappop(self._entries)
        return job

    def trim(self, waiting: int) -> None:
        """Drop what is out of date where it is more than half: a job that left must not stay in memory."""
        if len(self._entries) > 2 * waiting + 64:
            self._entries = [e for e in self._entries if e[2] == e[3].entry and e[3].waiting]
            heapq.heapify(self._entries)
