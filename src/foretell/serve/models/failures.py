"""Whether an engine is broken, or was only asked for what it cannot do."""

_LASTING_S = 5.0


class Failures:
    """Of one engine: batches of which it failed on all, and on a window that it could do when it was new."""

    def __init__(self) -> None:
        self._first: float | None = None
        self._last = 0.0

    def failed(self, now: float) -> None:
        if self._first is None:
            self._first = now
        self._last = now

    def succeeded(self) -> None:
        self._first = None

    def lasting(self) -> float:
        """Seconds from the first failure to the last, with no success between; 0 while they are too few."""
        first = self._first
        seconds = 0.0 if first is None else self._last - first
        return seconds if seconds >= _LASTING_S else 0.0
