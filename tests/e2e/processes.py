"""The processes under test, and a way to find the actors among all that Ray starts."""

import contextlib
import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from foretell.demo.apache_kafka import free_ports
from foretell.demo.leash import Leashed

ROOT = Path(__file__).parents[2]
_LOOK_S = 0.05

T = TypeVar("T")


def wait_until(condition: Callable[[], T], limit_s: float, what: str) -> T:
    """Ask again and again, until the answer is true; raises AssertionError when it takes too long."""
    deadline = time.monotonic() + limit_s
    while not (told := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {limit_s:g} s"
        time.sleep(_LOOK_S)
    return told


class Running:
    """A process of ours with a log; it ends with this one, however that ends."""

    def __init__(self, command: Sequence[str], log: Path, environ: dict[str, str] | None = None) -> None:
        self.log = log
        self._process = Leashed([sys.executable, *command], log, environ)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ended(self) -> bool:
        return self._process.ended

    @property
    def exit_status(self) -> int | None:
        """As a byte: 247 is SIGKILL. `None` while it runs."""
        return self._process.exit_status

    def signal(self, number: int) -> None:
        self._process.signal(number)

    def kill(self) -> None:
        self._process.kill()

    def last_words(self, lines: int = 40) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


class StreamProcess(Running):
    """`foretell stream`, as an operator starts it.

    Args:
        tree: settings, as in the configuration file.
    """

    def __init__(
        self, folder: Path, bundle: Path, tree: dict[str, Any], environ: dict[str, str] | None = None
    ) -> None:
        port = free_ports(1)[0]
        config = folder / "foretell.yaml"
        config.write_text(yaml.safe_dump(tree | {"stream": tree["stream"] | {"port": port}}))
        self._url = f"http://127.0.0.1:{port}"
        command = ["-m", "foretell", "stream", "--config", str(config), "--bundle", str(bundle), "--no-gpu"]
        super().__init__(command, folder / "stream.log", environ)

    def health(self) -> dict[str, Any]:
        """What /healthz says; empty while nobody answers."""
        try:
            with urllib.request.urlopen(f"{self._url}/healthz", timeout=5) as answer:
                body = answer.read()
        except urllib.error.HTTPError as error:
            with error:
                body = error.read()
        except OSError:
            return {}
        told: dict[str, Any] = json.loads(body)
        return told

    def actors(self) -> list[int]:
        """Process ids of workers."""
        return actors_below(self.pid)

    def wait_for_workers(self, count: int, limit_s: float = 120.0) -> None:
        def there() -> bool:
            assert not self.ended, f"foretell stream ended:\n{self.last_words()}"
            return self.health().get("workers") == count

        try:
            wait_until(there, limit_s, f"{count} workers")
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.health()}\n{self.last_words()}") from None


class WorkerProcess(Running):
    """One worker without Ray, see `lone_worker`.

    Args:
        fault: what goes wrong with it.
    """

    def __init__(
        self, folder: Path, bundle: Path, tree: dict[str, Any], index: int, fault: str | None = None
    ) -> None:
        config = folder / "lone.yaml"
        config.write_text(yaml.safe_dump(tree))
        command = [
            "-m",
            "tests.e2e.lone_worker",
            str(config),
            str(bundle),
            str(index),
            *filter(None, [fault]),
        ]
        super().__init__(
            command,
            folder / f"worker-{index}.log",
            {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
        )


def actors_below(pid: int) -> list[int]:
    """Workers among all processes that descend from `pid`."""
    return [p for p in descendants(pid) if _command(p).startswith("ray::WorkerActor")]


def named_below(pid: int, name: str) -> list[int]:
    """Descendants of `pid` whose command has `name` in it."""
    return [p for p in descendants(pid) if name in _command(p)]


def descendants(pid: int) -> list[int]:
    """Process ids of children, their children, and so on."""
    children: dict[int, list[int]] = {}
    for each in Path("/proc").iterdir():
        if each.name.isdigit():
            children.setdefault(_parent(int(each.name)), []).append(int(each.name))
    found = [pid]
    for parent in found:
        found += children.get(parent, [])
    return found[1:]


def family(pids: Iterable[int]) -> list[int]:
    """These processes, and what they started."""
    return [each for pid in pids for each in (pid, *descendants(pid))]


def kill_family(pids: Iterable[int]) -> None:
    """As a machine goes: all at once. An idle worker that has ended by itself meanwhile is no trouble."""
    killed = family(pids)
    for pid in killed:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: all(map(gone, killed)), 10, "the end of all of them")


def gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has buried yet counts as ended."""
    return not (fields := _fields(pid)) or fields[0] == "Z"


def _parent(pid: int) -> int:
    fields = _fields(pid)
    return int(fields[1]) if fields else 0


def _fields(pid: int) -> list[str]:
    """Of /proc/PID/stat, from the state on."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""
