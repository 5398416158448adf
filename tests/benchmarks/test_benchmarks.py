"""Each part of the benchmark runs, at a size that shows nothing but that."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NO_RATIO_BELOW = 1e-6


def measure(part: str, out: Path) -> dict[str, float]:
    """The medians of a part, by figure and unit, as its file of results has them."""
    command = [sys.executable, "-m", "benchmarks", part, "--size", "tiny", "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    figures = json.loads(out.read_text())[part]["figures"]
    return {f"{figure['what']}, {figure['unit']}": figure["median"] for figure in figures}


def test_engine_beside_bare_onnx_runtime(tmp_path: Path) -> None:
    found = measure("engine", tmp_path / "results.json")
    assert len(found) == 3 * 2 * 4  # ratio and two rates, two models, four batches
    assert all(math.isfinite(value) and value > NO_RATIO_BELOW for value in found.values())


@pytest.mark.slow
@pytest.mark.kafka
@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("part", "figure"),
    [
        ("stream", "CPU seconds: worker / engine alone, ratio"),
        ("latency", "p99, from append to a reader's hand, ms"),
        ("memory", "restore of 2,000 series, s for 100,000"),
        pytest.param(
            "start", "kill of a worker to forecasts of all its partitions, s", marks=pytest.mark.ray
        ),
    ],
)
def test_parts_on_a_real_kafka(part: str, figure: str, kafka_libs: Path, tmp_path: Path) -> None:
    found = measure(part, tmp_path / "results.json")
    assert math.isfinite(found[figure])
    assert found[figure] > NO_RATIO_BELOW
