"""How quickly work comes in, and how quickly it goes."""

import math

_LONGEST_S = 0.1  # longer ones are all the same: no batch waits that long
_MEMORY_S = 2.0


class Arrivals:
    """The usual time between two arrivals, newest ones counting most."""

    def __init__(self) -> None:
        self.last = -math.inf
        self.gap = _LONGEST_S

    def saw(self, now: float) -> None:
        self.gap += 0.2 * (min(max(now - self.last, 0.0), _LONGEST_S) - self.gap)
        self.last = now


class DrainRate:
    """Rows a second that get an answer, over the last few seconds in which there was work to do."""

    def __init__(self) -> None:
        self._rows = self._seconds = 0.0
        self._since = 0.0

    def began(self, now: float) -> None:
        """A batch was taken: time in which nothing waited does not count."""
        self._since = now

    def saw(self, rows: int, now: float) -> None:
        """A batch came back."""
        seconds = max(now - self._since, 1e-9)
        fade = math.exp(-seconds / _MEMORY_S)
        self._rows = self._rows * fade + rows
        self._seconds = self._seconds * fade + seconds
        self._since = now

    @property
    def rate(self) -> float | None:
        """`None` until a batch came back."""
        return self._rows / self._seconds if self._seconds else None
