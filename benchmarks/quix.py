"""Runs the peer: Quix Streams in an environment of its own, made when it is first needed."""

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from foretell.bundle.bundle import Bundle
from foretell.bundle.manifest import MODEL

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = ROOT / ".bench-venvs" / "quix"
_PYTHON = ENVIRONMENT / "bin" / "python"
_PACKAGES = ("quixstreams>=3.28,<4", "onnxruntime>=1.23,<2", "numpy>=2,<3")


@dataclass(frozen=True)
class QuixRun:
    """From the first row to the last."""

    rate: float
    cpu_per_100k: float


def prepare() -> str:
    """Make the environment unless it is there; gives the version of Quix Streams."""
    ask = [str(_PYTHON), "-c", "from importlib.metadata import version; print(version('quixstreams'))"]
    if not _PYTHON.exists() or subprocess.run(ask, capture_output=True, check=False).returncode:
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
        install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", *_PACKAGES]
        subprocess.run([str(_PYTHON), *install], check=True)
    return subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()


def run(bootstrap_servers: str, group: str, bundle: Bundle, rows: int) -> QuixRun:
    """Forecast the first so many rows of topic `rows`."""
    with tempfile.TemporaryDirectory(prefix="foretell-bench-") as state:
        done = subprocess.run(
            [
                *(str(_PYTHON), "-W", "ignore", str(ROOT / "benchmarks" / "quix_program.py")),
                *(bootstrap_servers, group, state, str(bundle.path / MODEL), str(rows)),
            ],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    told = json.loads(done.stdout.splitlines()[-1])
    return QuixRun(told["forecasts"] / told["wall_s"], told["cpu_s"] / told["forecasts"] * 1e5)
