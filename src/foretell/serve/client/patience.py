"""How long a client goes on trying: pure, with the clock and the dice passed in."""

import random
from collections.abc import Callable
from time import monotonic

from foretell.serve.backend import Refusal

RETRIED = frozenset({"rate_limited", "shed", "not_ready"})
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0


class Patience:
    """Of one request, over all its attempts."""

    def __init__(
        self,
        deadline_s: float | None,
        timeout_s: float,
        retries: int,
        *,
        clock: Callable[[], float] = monotonic,
        dice: Callable[[], float] = random.random,
    ) -> None:
        """Args:
        deadline_s: the caller's, from now; told to the server at each attempt. timeout_s: where none is.
        """
        self._clock, self._dice = clock, dice
        self._end = clock() + (timeout_s if deadline_s is None else deadline_s)
        self._has_deadline = deadline_s is not None
        self._retries, self._tried = retries, 0

    def left(self) -> float:
        """Seconds until it must be over.

        Raises:
            Refusal: deadline_passed.
        """
        left = self._end - self._clock()
        if left <= 0:
            raise self.over()
        return left

    def deadline_ms(self) -> float | None:
        """What the server is told: the deadline, less what went by."""
        return self.left() * 1e3 if self._has_deadline else None

    def over(self) -> Refusal:
        what = "deadline" if self._has_deadline else "time-out"
        return Refusal(
            "deadline_passed",
            f"no answer within the {what}, after {self._tried + 1} attempts"
            if self._tried
            else f"no answer within the {what}",
            cure="give it more time, or ask for a higher priority",
        )

    def pause(self, retry_after: float | None) -> float | None:
        """Seconds to wait before the next attempt; `None`: give up, there is no attempt or no time left.

        A server that says when to come back is heeded, even where that is too late and so the end of it.
        """
        if self._tried >= self._retries:
            return None
        longest = min(_FIRST_PAUSE * 2**self._tried, _LONGEST_PAUSE)
        # Clients that failed together must not come back together.
        pause = longest * self._dice() if retry_after is None else retry_after * (1 + 0.1 * self._dice())
        if self._clock() + pause >= self._end:
            return None
        self._tried += 1
        return pause
