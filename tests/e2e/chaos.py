"""Faults at random moments, drawn from a deck: each kind comes before any comes again."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable

from tests.e2e.processes import StreamProcess, WorkerProcess, gone, named_below, wait_until
from tests.e2e.trial import Trial

from foretell.demo.apache_kafka import ApacheKafka

GUEST = 9  # index of a worker that is none of the supervisor's
_RECOVERY_S = 120.0
_BACK = "Ray is back"


class Chaos:
    """Each fault leaves everything as it found it, but for what the stream itself has to mend.

    Attributes:
        done: faults so far, by name.
    """

    def __init__(self, trial: Trial, stream: StreamProcess, kafka: ApacheKafka, rng: random.Random) -> None:
        self._trial, self._stream, self._kafka, self._rng = trial, stream, kafka, rng
        self._began = time.monotonic()
        self._deck: list[Callable[[], None]] = []
        self.done: Counter[str] = Counter()

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._began

    def strike(self) -> None:
        """One fault, or two at a time; then, most times, until the stream has caught up."""
        self._pause(0.2, 3.0)
        self._draw()
        if self._rng.random() < 0.3:
            self._pause(0.0, 1.0)
            self._draw()
        if self._rng.random() < 0.7:
            self._recover()

    def _draw(self) -> None:
        if not self._deck:
            self._deck = [
                self.actor_killed,
                self.actor_killed,
                self.all_actors_killed,
                self.short_sleep,
                self.sleep_past_the_session,
                self.sleep_until_replaced,
                self.guest_comes_and_goes,
                self.guest_killed,
                self.broker_killed,
                self.ray_killed,
            ]
            self._rng.shuffle(self._deck)
        fault = self._deck.pop()
        name = fault.__name__.replace("_", " ")
        self.done[name] += 1
        print(f"{self.seconds:8.1f} s  {name}", flush=True)
        fault()

    def _recover(self) -> None:
        """The rows that are in the topic by now are committed, and right so far."""
        began, target = time.monotonic(), self._trial.audit.produced()
        wait_until(
            lambda: self._trial.audit.committed() >= target,
            _RECOVERY_S,
            f"recovery\n{self._trial.last_words()}",
        )
        self._trial.audit.read()
        print(f"{self.seconds:8.1f} s    caught up after {time.monotonic() - began:.1f} s", flush=True)
        assert not self._trial.audit.troubles, f"{self._trial.audit.told()}\n{self._trial.last_words()}"

    def actor_killed(self) -> None:
        for pid in self._actors()[:1]:
            _signal(pid, signal.SIGKILL)

    def all_actors_killed(self) -> None:
        for pid in self._actors():
            _signal(pid, signal.SIGKILL)

    def short_sleep(self) -> None:
        self._sleep(0.5, 4.0)

    def sleep_past_the_session(self) -> None:
        self._sleep(7.0, 11.0)

    def sleep_until_replaced(self) -> None:
        """The supervisor ends a worker that does not answer."""
        for pid in self._actors()[:1]:
            _signal(pid, signal.SIGSTOP)
            # One that was still starting has stall + 60 s to come up.
            wait_until(lambda pid=pid: gone(pid), 120, "its replacement")  # type: ignore[misc]

    def guest_comes_and_goes(self) -> None:
        guest = self._guest()
        guest.signal(signal.SIGTERM)
        wait_until(lambda: guest.ended, 120, "the end of the guest")

    def guest_killed(self) -> None:
        self._guest().kill()

    def broker_killed(self) -> None:
        node = self._rng.choice([1, 2, 3])
        self._kafka.kill(node)
        self._pause(1.0, 8.0)
        self._kafka.start(node)

    def ray_killed(self) -> None:
        part = self._rng.choice(["raylet/raylet", "gcs/gcs_server"])
        before = self._stream.log.read_text().count(_BACK)
        for pid in named_below(self._stream.pid, part):
            _signal(pid, signal.SIGKILL)
        wait_until(
            lambda: self._stream.log.read_text().count(_BACK) > before,
            90,
            f"Ray again\n{self._stream.last_words()}",
        )

    def _guest(self) -> WorkerProcess:
        guest = self._trial.worker(GUEST)
        name = f"{self._trial.names.group}-{GUEST}"
        owners = self._trial.audit.owners
        try:
            wait_until(lambda: guest.ended or owners().get(name), 120, "work for the guest")
        except AssertionError as late:
            guest.signal(signal.SIGUSR1)  # where it hangs
            self._pause(1.0, 1.0)
            raise AssertionError(f"{late}; {owners()}\n{self._trial.last_words()}") from None
        self._pause(0.5, 4.0)
        return guest

    def _sleep(self, least_s: float, most_s: float) -> None:
        for pid in self._actors()[:1]:
            _signal(pid, signal.SIGSTOP)
            self._pause(least_s, most_s)
            _signal(pid, signal.SIGCONT)

    def _actors(self) -> list[int]:
        """In random order."""
        actors = sorted(self._stream.actors())
        self._rng.shuffle(actors)
        return actors

    def _pause(self, least_s: float, most_s: float) -> None:
        moment = time.monotonic() + self._rng.uniform(least_s, most_s)
        wait_until(lambda: time.monotonic() > moment, most_s + 1.0, "the moment")


def _signal(pid: int, number: int) -> None:
    """One that is gone by itself meanwhile is no trouble."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
