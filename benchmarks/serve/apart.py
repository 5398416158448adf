"""A load in a process of its own: what it takes of a core can be told from what the server takes."""

import subprocess
import sys
from typing import TypeVar

import msgspec

Done = TypeVar("Done")


def run_apart(module: str, job: msgspec.Struct, done: type[Done], timeout_s: float) -> Done:
    """Hand `job` to a module as JSON, and read what came of it. Raises RuntimeError: it failed."""
    process = subprocess.run(
        [sys.executable, "-m", module],
        input=msgspec.json.encode(job),
        capture_output=True,
        check=False,
        timeout=timeout_s,
    )
    if process.returncode:
        raise RuntimeError(f"the load failed: {process.stderr.decode()[-500:]}")
    return msgspec.json.decode(process.stdout, type=done)
