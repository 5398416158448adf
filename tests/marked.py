"""Processes that a test started, told by a mark from all others, with whatever they started themselves."""

import os
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

_MARK = "FORETELL_TEST_RUN"


def marked_environ() -> Mapping[str, str]:
    """For processes of one test alone; what they start inherits the mark."""
    ours = ("KAFKA_", "RAY_", "FORETELL_", "MODEL_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    return {**kept, _MARK: uuid.uuid4().hex}


def wait_for_the_end(environ: Mapping[str, str], limit_s: float) -> None:
    """No process with this mark outlives it by more than that."""
    deadline = time.monotonic() + limit_s
    while left := _running(environ[_MARK]):
        assert time.monotonic() < deadline, f"still running: {left}"
        time.sleep(0.1)


def _running(mark: str) -> dict[int, str]:
    """Processes with the mark in their environment, by id: their commands."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"{_MARK}={mark}".encode() in (process / "environ").read_bytes():
                found[int(process.name)] = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue  # it ended while we looked, or is not ours to see
    return found
