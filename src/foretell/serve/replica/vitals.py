"""Whether a replica can go on: an evaluation that does not end, memory that only grows.

What happens                 ready  Serve               callers
an evaluation fails          yes    nothing             of the batch: 500 `engine`
an evaluation does not end   no     replaces it         of the batch: connection lost; others: wait, or 504
memory is at its limit       no     replaces it         all are answered
the process dies             gone   replaces it (1 s)   what it held: connection lost
"""

import os
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
        stuck_for: Callable[[], float],
        stuck_s: float,
        memory: int,
        resident: Callable[[], int] = resident_bytes,
    ) -> None:
        """
        Args:
            stuck_for: seconds that the evaluation under way has taken. stuck_s: that are too many.
            memory: bytes that were asked for.
        """
        self._stuck_for, self._stuck_s = stuck_for, stuck_s
        self._resident = resident
        self._most = max(memory, int(_GROWTH * resident()))

    def trouble(self) -> str:
        """What is wrong; empty when nothing is."""
        stuck = self._stuck_for()
        if stuck > self._stuck_s:
            return f"an evaluation has been under way for {stuck:.0f} s"
        resident = self._resident()
        if resident > self._most:
            return f"{resident / 1e9:.1f} GB of memory, {self._most / 1e9:.1f} GB are the most"
        return ""
