"""A heap whose entries may go out of date: those are dropped when they come up."""

import heapq
from collections.abc import Callable
from typing import Generic, TypeVar

from foretell.serve.scheduler.work import Job

Key = TypeVar("Key", float, tuple[float, ...])


class Heap(Generic[Key]):
    """Jobs by key, equal keys by arrival. An entry holds while its job waits and was not placed anew.

    What is new is put in order when somebody asks who is first: mostly it has gone by then.
    """

    def __init__(self, key: Callable[[Job], Key]) -> None:
        """`key`: of a job, the same as long as it is not placed anew."""
        self._key: Callable[[Job], Key] = key
        self._new: list[tuple[int, Job]] = []
        self._entries: list[tuple[Key, int, int, Job]] = []

    def push(self, job: Job) -> None:
        self._new.append((job.entry, job))

    def top(self) -> Job | None:
        if self._new:
            self._sort_in()
        entries = self._entries
        while entries:
            _, _, entry, job = entries[0]
            if entry == job.entry and job.taken < job.rows and job.works:  # waiting
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
        most = 2 * waiting + 64
        if len(self._new) > most:
            self._new = [(entry, job) for entry, job in self._new if entry == job.entry and job.waiting]
        if len(self._entries) > most:
            self._entries = [e for e in self._entries if e[2] == e[3].entry and e[3].waiting]
            heapq.heapify(self._entries)

    def _sort_in(self) -> None:
        for entry, job in self._new:
            if entry == job.entry and job.waiting:
                heapq.heappush(self._entries, (self._key(job), job.order, entry, job))
        self._new.clear()
