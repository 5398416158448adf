"""What a series costs to hold, and how long it takes to restore many from the changelog."""

import gc
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.broker import ABSENT, PARTITIONS, flags_for, ready, real_kafka
from benchmarks.figures import Figure, Part, Target
from benchmarks.models import WEATHER, model_a
from benchmarks.rows import LOOKBACK, fill
from benchmarks.sizes import Sizes
from benchmarks.worker import Job, WorkerProcess, resident
from foretell.config import WindowSettings
from foretell.stream.messages.changelog import changelog_topic, encode_states
from foretell.stream.worker.series import SeriesTable
from foretell.windows import WindowRules, Windows, open_windows

BYTES = Target("<", 400)
RESTORE = Target("<", 1.0)
_BLOCK = 10_000  # series at a time
_HOUR_US = 3_600_000_000


@dataclass(frozen=True)
class Held:
    """Bytes a series: the process grew by `resident`; of them `arrays` are windows, the rest is names."""

    resident: float
    arrays: float


def measure(sizes: Sizes) -> Part:
    """Bytes a series for each number of series, and the restore of them on a real Kafka."""
    part = Part("memory")
    for count in sizes.series:
        with get_context("spawn").Pool(1) as pool:  # a process that has held nothing before
            held = pool.apply(hold, (count,))
        rest = f"windows {held.arrays:.0f}, names and ids {held.resident - held.arrays:.0f}"
        part.figures.append(
            Figure(
                f"{count:,} series of {LOOKBACK} × {len(WEATHER)}", [held.resident], "B a series", BYTES, rest
            )
        )
    with tempfile.TemporaryDirectory(prefix="foretell-bench-") as folder, real_kafka() as servers:
        if servers is None:
            part.details["restore"] = ABSENT
            return part
        bundle = str(model_a(Path(folder)).path)
        for count in sizes.series:
            part.figures += _restore(servers, bundle, count, sizes.repeats)
    return part


def hold(count: int) -> Held:
    """Windows and names of so many series, all slots filled."""
    _hold(10)  # what is loaded at the first use is no series' own
    before = resident()
    table, windows = _hold(count)
    gc.collect()
    grown = resident() - before
    assert len(table) == count
    return Held(grown / count, windows.nbytes / count)


def _hold(count: int) -> tuple[SeriesTable, Windows]:
    windows = open_windows(_rules())
    table = SeriesTable(windows)
    for first in range(0, count, _BLOCK):
        names = [name.decode() for name in _names(first, min(count, first + _BLOCK))]
        _fill(windows, table.ids(names, np.arange(len(names), dtype=np.int32) % PARTITIONS))
    return table, windows


def _restore(servers: str, bundle: str, count: int, repeats: int) -> list[Figure]:
    """A worker takes over partitions whose changelog holds so many series."""
    group = f"memory-{count}"
    flags = flags_for(servers, group, topic=f"{group}-rows")
    ready(flags)
    fill(servers, changelog_topic(group), _changelog(count))
    runs = [WorkerProcess(Job(flags, bundle, restore=True)).done() for _ in range(repeats)]
    if any(run.series != count for run in runs):
        raise RuntimeError(f"{runs[0].series} series were restored instead of {count}")
    return [
        Figure(
            f"restore of {count:,} series",
            [run.restore_s / count * 1e5 for run in runs],
            "s for 100,000",
            RESTORE,
        ),
        Figure(f"worker after that restore of {count:,}", [run.rss / count for run in runs], "B a series"),
    ]


def _changelog(count: int) -> Iterator[tuple[bytes, bytes]]:
    """A record for each series, as a worker writes it; the broker's client picks the partitions by key."""
    rules = _rules()
    for first in range(0, count, _BLOCK):
        names = _names(first, min(count, first + _BLOCK))
        windows = open_windows(rules)
        ids = windows.add(len(names))
        _fill(windows, ids)
        yield from zip(names, encode_states(rules.fingerprint(WEATHER), windows.dump(ids)), strict=True)


def _rules() -> WindowRules:
    return WindowRules.from_settings(
        WindowSettings(), lookback=LOOKBACK, features=len(WEATHER), step_s=3600.0
    )


def _names(first: int, end: int) -> list[bytes]:
    return [b"station-%07d" % number for number in range(first, end)]


def _fill(windows: Windows, ids: NDArray[np.intp]) -> None:
    """As many rows of each series as it keeps: a lookback, and one that has passed."""
    values = np.random.default_rng(len(ids)).normal(50, 20, (len(ids), len(WEATHER))).round(2)
    for hour in range(LOOKBACK + 1):
        times = np.full(len(ids), hour * _HOUR_US)
        windows.update(ids, times, values + hour, times)
