"""Whether a replica can go on: engines that hang or break, a lane that stands still, memory that only grows.

What happens                            ready  door  Serve        callers
an evaluation fails                     yes    open  nothing      500 `engine`, those that fail alone
all evaluations fail, for 5 s           no     shut  replaces it  500 `engine`
an evaluation does not end              no     shut  replaces it  500 `engine` those in it, 503 the others
the lane's loop stands still            no     open  replaces it  connection lost
memory is at its limit                  no     open  replaces it  all are answered
the process dies                        gone   gone  replaces it  what it held: connection lost

Serve asks three times, a second apart, before it replaces. A door that is shut sends new connections to the
other replicas meanwhile.
"""

import os
import time
from collections.abc import Callable

_PAGE = os.sysconf("SC_PAGE_SIZE")
_GROWTH = 2.0  # a model that needs more than was asked for may grow so far over what it has when it is ready


def resident_bytes() -> int:
    """Memory of this process that lies in RAM."""
    with open("/proc/self/statm") as told:
        return int(told.read().split()[1]) * _PAGE


class Vitals:
    """Made when the replica is warm."""

    def __init__(
        self,
        engines: Callable[[], str],
        stuck_s: float,
        memory: int,
        resident: Callable[[], int] = resident_bytes,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            engines: what is wrong with one, or empty.
            stuck_s: seconds after which a lane that shows no sign of life shows none any more.
            memory: bytes that were asked for.
        """
        self._engines, self._stuck_s = engines, stuck_s
        self._resident, self._clock = resident, clock
        self._most = max(memory, int(_GROWTH * resident()))
        self._alive = clock()

    def lane_is_alive(self) -> None:
        """Its loop says so, again and again."""
        self._alive = self._clock()

    def trouble(self) -> str:
        """What is wrong; empty when nothing is."""
        if trouble := self._engines():
            return trouble
        silent = self._clock() - self._alive
        if silent > self._stuck_s:
            return f"the lane has stood still for {silent:.0f} s"
        resident = self._resident()
        if resident > self._most:
            return f"{resident / 1e9:.1f} GB of memory, {self._most / 1e9:.1f} GB are the most"
        return ""
