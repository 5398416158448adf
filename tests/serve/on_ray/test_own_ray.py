"""A Ray of one's own dies under `foretell serve`: it is started again, with what was deployed."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(400)]

READY_S = 90.0


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/health/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def raylets_below(pid: int) -> list[int]:
    found = []
    for folder in Path("/proc").iterdir():
        try:
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            command = (folder / "cmdline").read_bytes().split(b"\0")[0]
        except (OSError, IndexError):
            continue
        if parent == str(pid) and command.endswith(b"/raylet"):
            found.append(int(folder.name))
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_it_comes_back_also_below_process_one(
    spinning: Callable[..., Path], tmp_path: Path, until: Callable[..., None]
) -> None:
    """Started by a shell that goes: as under systemd, process 1 is its parent, and Ray would end it."""
    port, log = free_port(), tmp_path / "log"
    flags = ["--port", str(port), "--grpc-port", "0", "--replicas", "1", "--no-gpu"]
    command = [sys.executable, "-m", "foretell", "serve", str(spinning(tmp_path)), *flags]
    with log.open("wb") as out:
        shell = subprocess.run(
            ["sh", "-c", '"$@" >&2 & echo $!', "sh", *command],
            env={**os.environ, "RAY_HEAD_ADDRESS": "local", "FORETELL_SERVE__DRAIN": "2s"},
            stdout=subprocess.PIPE,
            stderr=out,
            start_new_session=True,
            check=True,
        )
    pid = int(shell.stdout)
    try:
        until(lambda: "Ctrl-C ends it" in log.read_text() or not alive(pid), READY_S)
        assert alive(pid), log.read_text()
        (raylet,) = raylets_below(pid)
        os.kill(raylet, signal.SIGKILL)
        until(lambda: "Ray is back" in log.read_text() or not alive(pid), READY_S)
        assert alive(pid), log.read_text()
        assert answers(port)
        said = log.read_text()
        assert said.index("Ray is gone; it is started again") < said.index("Ray is back")
    finally:
        os.kill(pid, signal.SIGTERM)
        until(lambda: not alive(pid))
