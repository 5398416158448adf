"""The stream door on a real Kafka: a backlog of JSON rows, one worker, exactly once, beside its peers."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from benchmarks import quix
from benchmarks.broker import ABSENT, committed, flags_for, ready, real_kafka
from benchmarks.figures import Figure, Part, Target
from benchmarks.models import model_a
from benchmarks.rows import fill, forecasts_of, rows
from benchmarks.sizes import Sizes
from benchmarks.steps import told
from benchmarks.worker import Done, Job, WorkerProcess
from foretell.bundle.bundle import Bundle
from foretell.config import EngineSettings
from foretell.engines.make import open_engine

CPU = Target("<=", 2.0)
WALL = Target(">=", 0.5)
PEER = Target(">=", 6.0)
_ENGINE_WINDOWS = 4_000  # a call, as many as a block has


@dataclass(frozen=True)
class Alone:
    """The engine by itself, on one core."""

    rate: float
    cpu_per_100k: float


def measure(sizes: Sizes) -> Part:
    """Ratios to the engine alone and to Quix Streams; sizes of a block; the time of each step."""
    part = Part("stream")
    with tempfile.TemporaryDirectory(prefix="foretell-bench-") as folder, real_kafka() as servers:
        if servers is None:
            return Part("stream", skipped=ABSENT)
        bench = _Bench(servers, model_a(Path(folder)), sizes)
        fill(servers, "rows", rows(sizes.rows))
        _beside_peers(bench, part)
        _blocks(bench, part)
    return part


class _Bench:
    """One broker with its backlog; each run is a group of its own."""

    def __init__(self, servers: str, bundle: Bundle, sizes: Sizes) -> None:
        self.servers, self.bundle, self.sizes = servers, bundle, sizes
        self._engine = open_engine(bundle, EngineSettings())
        self._runs = 0
        ready(flags_for(servers, "filling"))

    def alone(self) -> Alone:
        """Half a second or more of `Engine.run` on blocks as the worker has them."""
        shape = (_ENGINE_WINDOWS, *self.bundle.manifest.input_shape)
        windows = np.random.default_rng(3).normal(size=shape).astype(np.float32)
        self._engine.run(windows)
        cpu, begin, count = time.thread_time(), time.perf_counter(), 0
        while (wall := time.perf_counter() - begin) < 4 * self.sizes.engine_s:
            self._engine.run(windows)
            count += len(windows)
        return Alone(count / wall, (time.thread_time() - cpu) / count * 1e5)

    def stream(self, block_rows: int | None = None, *, steps: bool = False) -> Done:
        """The whole backlog through one worker, and proof that all of it was forecast once."""
        group, wanted = self._group("foretell"), forecasts_of(self.sizes.rows)
        flags = flags_for(self.servers, group) | ({"stream.block_rows": block_rows} if block_rows else {})
        ready(flags)
        done = WorkerProcess(Job(flags, str(self.bundle.path), wanted, steps)).done()
        seen = committed(self.servers, f"{group}-forecasts", wanted)
        if seen != wanted:
            raise RuntimeError(f"{seen} forecasts are committed instead of {wanted}")
        return done

    def peer(self) -> quix.QuixRun:
        """The first rows of the backlog through Quix Streams."""
        return quix.run(self.servers, self._group("quix"), self.bundle, self.sizes.peer_rows)

    def _group(self, name: str) -> str:
        self._runs += 1
        return f"{name}-{self._runs}"


def _beside_peers(bench: _Bench, part: Part) -> None:
    """Engine, worker, engine, peer, again and again; ratios are of neighbours."""
    if bench.sizes.has_peers:
        part.details["quixstreams"] = quix.prepare()
    before, runs, peers = [], [], []
    for _ in range(bench.sizes.repeats):
        first = bench.alone()
        runs.append(bench.stream())
        second = bench.alone()
        before.append(Alone((first.rate + second.rate) / 2, (first.cpu_per_100k + second.cpu_per_100k) / 2))
        if bench.sizes.has_peers:
            peers.append(bench.peer())
    pairs = list(zip(runs, before, strict=True))
    part.figures += [
        Figure(
            "CPU seconds: worker / engine alone",
            [run.cpu_per_100k / engine.cpu_per_100k for run, engine in pairs],
            "ratio",
            CPU,
        ),
        Figure(
            "forecasts/s: worker / engine alone",
            [run.rate / engine.rate for run, engine in pairs],
            "ratio",
            WALL,
        ),
    ]
    if peers:
        ratios = [run.rate / peer.rate for run, peer in zip(runs, peers, strict=True)]
        part.figures.append(Figure("forecasts/s: worker / Quix Streams", ratios, "ratio", PEER))
    part.figures += [
        Figure("worker", [run.rate for run in runs], "forecasts/s"),
        Figure("engine alone, one core", [engine.rate for engine in before], "windows/s"),
        Figure("worker", [run.cpu_per_100k for run in runs], "CPU s for 100,000"),
        Figure("engine alone", [engine.cpu_per_100k for engine in before], "CPU s for 100,000"),
    ]
    if peers:
        part.figures += [
            Figure("Quix Streams", [peer.rate for peer in peers], "forecasts/s"),
            Figure("Quix Streams", [peer.cpu_per_100k for peer in peers], "CPU s for 100,000"),
        ]


def _blocks(bench: _Bench, part: Part) -> None:
    """Sizes of a transaction, and the share of each step; to be timed costs the worker next to nothing."""
    for size in bench.sizes.block_rows:
        runs = [bench.stream(size, steps=True) for _ in range(bench.sizes.repeats)]
        steps = runs[-1].steps
        part.details[f"steps at {size} rows a block"] = msgspec.to_builtins(steps)
        part.figures.append(
            Figure(
                f"worker, {size:,} rows a block", [run.rate for run in runs], "forecasts/s", limit=told(steps)
            )
        )
        part.figures.append(
            Figure(f"worker, {size:,} rows a block", [run.cpu_per_100k for run in runs], "CPU s for 100,000")
        )
