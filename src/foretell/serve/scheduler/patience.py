"""How soon callers want to be answered, as their deadlines say."""

import math

_DOWN, _UP = 0.2, 1.01  # a shorter one counts much more than a longer one, and one alone is no rule
_FORGOTTEN_S = 60.0


class Patience:
    """The shorter ones of the times that callers usually give."""

    def __init__(self) -> None:
        self._usual = math.inf
        self._last = -math.inf

    def saw(self, seconds: float, now: float) -> None:
        """A call came that is to be answered within so many seconds; infinity says nothing."""
        if not 0 < seconds < math.inf:
            return  # no deadline, or one that passed on the way here
        if self.usual(now) == math.inf:
            self._usual = seconds
        elif seconds < self._usual:
            self._usual += _DOWN * (seconds - self._usual)
        else:
            self._usual = min(seconds, self._usual * _UP)
        self._last = now

    def usual(self, now: float) -> float:
        """Seconds; infinity where nobody has said anything for a minute."""
        return self._usual if now - self._last < _FORGOTTEN_S else math.inf
