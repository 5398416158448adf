"""wrk, the load over HTTP: as many connections, each asking again as soon as it was answered."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ABSENT = "no wrk here: install it (Debian's package is `wrk`)"
_SCRIPT = Path(__file__).parent / "load.lua"


@dataclass(frozen=True)
class Shot:
    """What a load did. `rate`: answers a second. p50_ms, p99_ms: as wrk saw them."""

    rate: float
    p50_ms: float
    p99_ms: float


def absent() -> bool:
    return shutil.which("wrk") is None


def load(port: int, requests: Sequence[bytes], connections: int, seconds: float, warm_s: float) -> Shot:
    """Raises RuntimeError: a request was not answered with 200."""
    with tempfile.NamedTemporaryFile(prefix="foretell-bench-", suffix=".requests") as file:
        for request in requests:
            file.write(b"%d\n" % len(request) + request)
        file.flush()
        if warm_s:
            _run(port, file.name, connections, warm_s)
        return _run(port, file.name, connections, seconds)


def _run(port: int, requests: str, connections: int, seconds: float) -> Shot:
    # Milliseconds are as short as wrk's own clock goes; it takes whole seconds only.
    told = f"{max(1, round(seconds))}s"
    command = ["wrk", "-t1", f"-c{connections}", f"-d{told}", "--timeout", "10s", "-s", str(_SCRIPT)]
    done = subprocess.run(
        [*command, f"http://127.0.0.1:{port}/", "--", requests],
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds + 30,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        raise RuntimeError(f"wrk failed: {done.stdout[-300:]}{done.stderr[-300:]}")
    told_json = json.loads(lines[-1])
    if told_json["errors"] or not told_json["requests"]:
        asked = f"{told_json['requests']} requests over {connections} connections"
        raise RuntimeError(f"{told_json['errors']} errors in {asked} on port {port}")
    return Shot(told_json["requests"] / told_json["seconds"], told_json["p50_ms"], told_json["p99_ms"])
