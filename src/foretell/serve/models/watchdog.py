"""A thread that notices when something takes too long: whatever hangs cannot notice it itself."""

import time
from collections.abc import Callable
from threading import Event, Thread


class Watchdog:
    """Wakes when the time of what is under way may be over, so watching costs those who work nothing."""

    def __init__(
        self, name: str, limit_s: float, since: Callable[[], float | None], bark: Callable[[], None]
    ) -> None:
        """
        Args:
            since: when what is under way was begun, on the clock of `time.monotonic`; `None`: nothing is.
            bark: called when that is longer than `limit_s` ago, and again after as long.
        """
        self._limit_s, self._since, self._bark = limit_s, since, bark
        self._ended = Event()
        Thread(target=self._watch, name=name, daemon=True).start()

    def end(self) -> None:
        self._ended.set()

    def _watch(self) -> None:
        left = self._limit_s
        while not self._ended.wait(left):
            since = self._since()
            left = self._limit_s if since is None else since + self._limit_s - time.monotonic()
            if left <= 0:
                self._bark()
                left = self._limit_s
