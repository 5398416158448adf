"""One worker in a process of its own, so that its CPU seconds are its own: `python -m benchmarks.worker JOB`.

The parent talks to it by lines: `mark` begins a count of latency, `stop` drains and ends it. It answers with
one line of JSON, a `Done`. It ends by itself after `Job.forecasts`.
"""

import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import TopicPartition

from benchmarks.broker import settings_for
from benchmarks.steps import Step, Stopwatch
from foretell.forecasting.forecaster import Forecaster
from foretell.interpreter import tune_interpreter
from foretell.stream.messages.blocks import Outgoing, Place
from foretell.stream.worker.transaction import Delivery
from foretell.stream.worker.worker import Worker
from foretell.telemetry import metrics
from foretell.telemetry.meter import Snapshot

_PATIENCE_S = 300.0


class Job(msgspec.Struct):
    """What a worker is to do.

    Attributes:
        flags: settings by dotted name. bundle: its folder.
        forecasts: after so many it ends; 0: when it is told to. steps: time each step.
        restore: it ends when it has restored the windows of all partitions.
    """

    flags: dict[str, Any]
    bundle: str
    forecasts: int = 0
    steps: bool = False
    restore: bool = False


class Done(msgspec.Struct):
    """What came of it.

    Attributes:
        wall_s, forecasts: from the first commit to the last, and forecasts committed after the first.
        cpu_s, all_forecasts: of the process from joining the group to the last commit, and all forecasts.
        commits: transactions. steps: where the time went, when that was asked for.
        restore_s: to restore windows. series: whose windows it holds then. rss: bytes it grew by for them.
        p50_s, p99_s: from a row's timestamp to its commit, since `mark`, as the worker counts.
    """

    wall_s: float
    forecasts: int
    cpu_s: float
    all_forecasts: int
    commits: int
    steps: dict[str, Step]
    restore_s: float
    series: int
    rss: int
    p50_s: float | None
    p99_s: float | None

    @property
    def rate(self) -> float:
        """Forecasts a second."""
        return self.forecasts / self.wall_s if self.wall_s else float("nan")

    @property
    def cpu_per_100k(self) -> float:
        """CPU seconds for 100,000 forecasts."""
        return self.cpu_s / self.all_forecasts * 1e5 if self.all_forecasts else float("nan")


class WorkerProcess:
    """The parent's side."""

    def __init__(self, job: Job) -> None:
        command = [sys.executable, "-m", "benchmarks.worker", msgspec.json.encode(job).decode()]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1], text=True
        )

    def say(self, word: str) -> None:
        """`mark` or `stop`."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()

    def done(self) -> Done:
        """Wait for its end."""
        assert self._process.stdout is not None
        try:
            self._process.wait(_PATIENCE_S)  # `communicate` would hang up first, which stops the worker
        finally:
            self._process.kill()
        with self._process:
            answer = self._process.stdout.read()
        if self._process.returncode:
            raise RuntimeError(f"the worker ended with {self._process.returncode}")
        return msgspec.json.decode(answer, type=Done)


class _Commits:
    """A `Delivery` that notes when each turn was committed, and ends the worker when all are."""

    def __init__(self, inner: Delivery) -> None:
        self._inner = inner
        self.wanted = 0
        self.times: list[float] = []
        self.counts: list[int] = []
        self.cpu_s = 0.0
        self.complete: Callable[[], None] = lambda: None

    def start(self) -> None:
        self._inner.start()

    def send(self, out: Outgoing, offsets: list[TopicPartition], membership: Any) -> None:
        self._inner.send(out, offsets, membership)
        self.times.append(time.monotonic())
        self.counts.append(len(out.forecasts))
        self.cpu_s = _cpu_s()
        if self.wanted and sum(self.counts) >= self.wanted:
            self.complete()

    def confirm(self, offsets: list[TopicPartition]) -> None:
        self._inner.confirm(offsets)


class _Worker(Worker):
    """
    Attributes:
        commits: what was delivered so far.
        only_restore: end once windows are restored. series, rss: what was held then, and bytes in memory.
    """

    only_restore = False
    series = rss = 0

    def _open_delivery(self) -> Delivery:
        self.commits = _Commits(super()._open_delivery())
        return self.commits

    def _assigned(self, places: list[Place]) -> dict[Place, int]:
        starts = super()._assigned(places)
        self.series, self.rss = len(self._pipeline.series), resident()
        if self.only_restore:
            self.stop()
        return starts


def run(job: Job) -> Done:
    """Work, and say what came of it."""
    tune_interpreter(young=200_000)
    settings = settings_for(job.flags)
    worker = _Worker(settings, Forecaster.open(Path(job.bundle), settings.engine), 0)
    commits = worker.commits
    commits.wanted, commits.complete = job.forecasts, worker.stop
    stopwatch, marks = Stopwatch(), [worker.figures()]
    if job.steps:
        stopwatch.watch()
    threading.Thread(target=_listen, args=(worker, marks), daemon=True).start()
    cpu_s, rss = _cpu_s(), resident()
    worker.only_restore = job.restore
    worker.run()
    figures = worker.figures()
    restore = figures.histograms.get(metrics.RESTORE.name)
    return Done(
        wall_s=commits.times[-1] - commits.times[0] if commits.times else 0.0,
        forecasts=sum(commits.counts[1:]),
        cpu_s=commits.cpu_s - cpu_s,
        all_forecasts=sum(commits.counts),
        commits=len(commits.times),
        steps=stopwatch.steps(commits.cpu_s - cpu_s),
        restore_s=restore.sum if restore else 0.0,
        series=worker.series,
        rss=worker.rss - rss,
        p50_s=figures.quantile(metrics.LATENCY, 0.50, since=marks[-1]),
        p99_s=figures.quantile(metrics.LATENCY, 0.99, since=marks[-1]),
    )


def _listen(worker: Worker, marks: list[Snapshot]) -> None:
    """Do what the parent says; it hangs up when it ends."""
    for line in sys.stdin:
        if line.strip() == "mark":
            marks.append(worker.figures())
        else:
            break
    worker.stop()


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


if __name__ == "__main__":
    print(msgspec.json.encode(run(msgspec.json.decode(sys.argv[1], type=Job))).decode())
