"""Processes that end when the one that started them ends, however it ends.

`python -m foretell.demo.leash FOLDER COMMAND...` runs the command until the leash's own standard input
closes, which the kernel does for a parent that was killed too; then it removes FOLDER, if one is named, as
nobody else is left to. (A parent-death signal alone is bound to the *thread* that started the child, and a
test that restarts a broker from a helper thread would lose it.)
"""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Leashed:
    """A process on a leash. Its output goes to a file.

    Args:
        remove: a folder that goes when the owner dies, and the folder around it once that is empty.

    Attributes:
        pid: of the process itself, not of the leash.
    """

    def __init__(
        self,
        command: Sequence[str],
        output: Path,
        environ: Mapping[str, str] | None = None,
        remove: Path | None = None,
    ) -> None:
        with output.open("ab") as sink:
            self._leash = subprocess.Popen(
                [sys.executable, "-m", "foretell.demo.leash", str(remove or ""), *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=sink,
                env=None if environ is None else {**os.environ, **environ},
                start_new_session=True,  # Ctrl-C is for the parent, which drains first
            )
        assert self._leash.stdout is not None
        line = self._leash.stdout.readline()
        if not line:
            self._end()
            raise OSError(f"{command[0]} did not start; see {output}")
        self.pid = int(line)

    @property
    def ended(self) -> bool:
        """True once it is gone, for whatever reason."""
        return self._leash.poll() is not None

    @property
    def exit_status(self) -> int | None:
        """As a byte: 247 where SIGKILL ended it; `None` while it runs."""
        return self._leash.poll()

    def signal(self, number: int) -> None:
        """Send a signal; nothing happens to one that has ended."""
        if not self.ended:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        self._end()

    def _end(self) -> None:
        self._leash.wait()
        for pipe in (self._leash.stdin, self._leash.stdout):
            if pipe:
                pipe.close()


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main(remove: str, command: Sequence[str]) -> int:
    """Run the command, tell its process id on standard output, and end it when standard input closes."""
    orphaned = threading.Event()
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=sys.stderr, stderr=sys.stderr, preexec_fn=_die_with_parent
    )
    print(child.pid, flush=True)

    def wait_for_parent() -> None:
        sys.stdin.buffer.read()
        orphaned.set()
        child.kill()

    threading.Thread(target=wait_for_parent, daemon=True).start()
    status = child.wait()
    if orphaned.is_set() and remove:
        shutil.rmtree(remove, ignore_errors=True)
        with contextlib.suppress(OSError):  # others still have their folders there
            Path(remove).parent.rmdir()
    return status


if __name__ == "__main__":
    os._exit(main(sys.argv[1], sys.argv[2:]) & 0xFF)  # the watching thread is never joined
