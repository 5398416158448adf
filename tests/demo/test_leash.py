"""A leashed process ends with its owner, however that ends."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from foretell.demo.leash import Leashed

OWNER = """
import os, signal, sys
from pathlib import Path
from foretell.demo.leash import Leashed
out = Path(sys.argv[1])
out.parent.mkdir()
print(Leashed(["sleep", "60"], out, remove=out.parent).pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def wait_for(condition: Callable[[], bool], limit: float = 8.0) -> None:
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.02)


def test_an_owner_that_is_killed_takes_it_along(tmp_path: Path) -> None:
    folder = tmp_path / "around" / "its own"
    folder.parent.mkdir()
    owner = subprocess.run(
        [sys.executable, "-c", OWNER, str(folder / "out")], stdout=subprocess.PIPE, text=True, check=False
    )
    assert owner.returncode == -signal.SIGKILL
    wait_for(lambda: gone(int(owner.stdout)))
    wait_for(lambda: not folder.parent.exists())


def test_it_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    started: list[Leashed] = []
    thread = threading.Thread(target=lambda: started.append(Leashed(["sleep", "60"], tmp_path / "out")))
    thread.start()
    thread.join()
    (process,) = started
    process.signal(signal.SIGCONT)
    assert not process.ended
    process.kill()
    assert process.ended
    assert gone(process.pid)


def test_one_that_ends_by_itself_is_seen_to_have_ended(tmp_path: Path) -> None:
    process = Leashed(["sh", "-c", "echo last words"], tmp_path / "out")
    wait_for(lambda: process.ended)
    process.signal(signal.SIGTERM)  # nothing happens
    process.kill()
    assert (tmp_path / "out").read_text() == "last words\n"


def test_one_that_cannot_start_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no-such-program"):
        Leashed(["no-such-program"], tmp_path / "out")
