"""`foretell serve` from start to end: signals, what is said, exit status."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Self

from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException

from foretell.config import Settings
from foretell.ending import Asked, Interrupted, asked_to_end
from foretell.errors import ForetellError, RayUnreachable
from foretell.serve.deployment.changes import Changes
from foretell.serve.deployment.deployed import Deployed
from foretell.serve.deployment.service import Service

log = logging.getLogger("foretell.serve")
_LOOK_S = 1.0
_SILENT_S = 10.0  # without an answer of Ray Serve, whose own helpers are replaced within a second or two
_TOO_OFTEN = 5  # Ray was lost, or did not come back, one time after another, none of them after a steady run
_STEADY_S = 60.0
_RAY_ERRORS = (RayError, RayServeException, ConnectionError, RuntimeError, TimeoutError)


def run_serve(settings: Settings, models: Sequence[str], ready: Callable[[Deployed], None]) -> int:
    """Serve until SIGTERM, Ctrl-C or an error; `ready` is told once. Gives the exit status.

    Raises:
        ForetellError: why it could not start, or not go on.
    """
    with asked_to_end() as asked:
        service = Service(settings, asked.listen)
        try:
            deployed = service.start(models)
            asked.starting = False
            ready(deployed)
            with Keeper(service, asked) as keeper:
                while not asked.wait(_LOOK_S):
                    keeper.look()
        except Interrupted:
            return 0
        finally:
            asked.starting = False
            service.stop()
    log.info("ended")
    return 0


class Keeper:
    """Sees to it that Ray is there, and says what changes."""

    def __init__(self, service: Service, asked: Asked) -> None:
        self._service, self._asked = service, asked
        self._changes = self._watch()
        self._back = time.monotonic()
        self._losses = 0

    def look(self) -> None:
        """Raises `RayUnreachable`: Ray is lost again and again, or stays away."""
        if not self._service.alive() or time.monotonic() - self._changes.heard > _SILENT_S:
            self._restore()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._changes.end()  # what changes from now on is no news

    def _watch(self) -> Changes:
        changes = Changes(self._service.fleet)
        changes.watch()
        return changes

    def _restore(self) -> None:
        if self._asked.wait(_LOOK_S):  # a signal to the whole process group ended it together with us
            return
        began = time.monotonic()
        if began - self._back > _STEADY_S:
            self._losses = 0
        log.error("Ray is gone; it is %s again", "started" if self._service.own else "tried")
        self._changes.end()
        self._asked.starting = True
        while not self._back_again():
            self._asked.wait(self._losses)
        self._asked.starting = False
        self._back = time.monotonic()
        log.info("Ray is back, and the replicas with it, after %.0f s", self._back - began)
        self._changes = self._watch()

    def _back_again(self) -> bool:
        self._losses += 1
        if self._losses > _TOO_OFTEN:
            raise RayUnreachable(
                f"Ray was lost, or did not come back, {_TOO_OFTEN} times in a row",
                cure="the lines above say why; free memory and disk of this machine are what Ray wants most",
            )
        try:
            self._service.restore()
        except RayUnreachable:
            raise
        except (ForetellError, *_RAY_ERRORS) as error:
            log.warning("Ray is not back yet: %s", error)
            return False
        return True
