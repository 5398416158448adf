"""A server in a process of its own: started, ready once it answers, and ended with all that it started."""

import contextlib
import os
import signal
import socket
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.traffic import wait_for
from foretell.demo.leash import Leashed

_READY_S = 90.0
_END_S = 20.0


@contextlib.contextmanager
def running(
    command: Sequence[str], log: Path, environ: Mapping[str, str], answers: Callable[[], bool]
) -> Iterator[Leashed]:
    """The process, once it answers. What it says goes to `log`, whose end is told where it never does."""
    process = Leashed(command, log, environ)
    try:
        wait_for(lambda: process.ended or answers(), f"{Path(command[0]).name}'s first answer", _READY_S)
        if process.ended:
            raise RuntimeError(f"{' '.join(command[:3])} ended: {log.read_text()[-2000:]}")
        yield process
    finally:
        _end(process)


class Answers:
    """Whether a server gives a good answer to a request."""

    def __init__(self, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> None:
        told = {"Content-Type": "application/json", **(headers or {})}
        self._request = urllib.request.Request(url, data=body, headers=told)

    def __call__(self) -> bool:
        try:
            with urllib.request.urlopen(self._request, timeout=10) as answer:
                return int(answer.status) == 200
        except OSError:  # not there yet, or not ready
            return False


def listens(port: int) -> bool:
    """Whether somebody takes connections there."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _end(process: Leashed) -> None:
    """Ask it, then end whatever is left of its session: some servers leave their workers behind."""
    session = os.getsid(process.pid) if not process.ended else None
    process.signal(signal.SIGTERM)
    with contextlib.suppress(TimeoutError):
        wait_for(lambda: process.ended, "the end of a server", _END_S)
    process.kill()
    for pid in _members(session) if session else ():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _members(session: int) -> set[int]:
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = (process / "stat").read_text().rpartition(") ")[2].split()
            if int(fields[3]) == session and fields[0] != "Z":
                found.add(int(process.name))
    return found
