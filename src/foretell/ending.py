"""How a command that runs until it is told to stop hears of it."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Interrupted(BaseException):
    """Asked to end while still starting: nothing is to be drained."""


class Asked(threading.Event):
    """Set by SIGTERM and SIGINT. While `starting`, they also raise `Interrupted` where the command waits."""

    starting = True

    def listen(self) -> None:
        """To be called again after Ray was started: it puts handlers of its own over ours."""
        for number in _SIGNALS:
            signal.signal(number, self.hear)

    def hear(self, *_: object) -> None:
        self.set()
        if self.starting:
            raise Interrupted


@contextmanager
def asked_to_end() -> Iterator[Asked]:
    """Listen while the context lasts; the handlers from before are put back afterwards."""
    asked = Asked()
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    asked.listen()
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
