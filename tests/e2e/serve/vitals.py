"""What processes hold, over time: memory, open files, threads; and whether it grows."""

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from types import TracebackType
from typing import Self

_KINDS = ("MB", "files", "threads")


@dataclass(frozen=True, slots=True)
class Sample:
    """Of one process. `at`: seconds since the start."""

    at: float
    pid: int
    mb: float
    files: int
    threads: int

    def values(self) -> tuple[float, float, float]:
        return self.mb, self.files, self.threads


class Vitals:
    """A thread that looks at processes; use it as a context."""

    def __init__(self, processes: Callable[[], Mapping[str, Sequence[int]]], every_s: float) -> None:
        """`processes`: process ids by what they are."""
        self._processes, self._every_s = processes, every_s
        self._start = time.monotonic()
        self._samples: dict[str, list[Sample]] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="vitals", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(self._every_s):
            for name, pids in self._processes().items():
                found = [sample for pid in pids if (sample := self._sample(pid))]
                self._samples.setdefault(name, []).extend(found)

    def _sample(self, pid: int) -> Sample | None:
        """`None`: it has gone."""
        try:
            told = Path(f"/proc/{pid}/status").read_text()
            files = len(os.listdir(f"/proc/{pid}/fd"))
        except OSError:
            return None
        fields = dict(line.split(":\t", 1) for line in told.splitlines() if ":\t" in line)
        if "VmRSS" not in fields:  # a zombie
            return None
        mb = int(fields["VmRSS"].split()[0]) / 1024
        return Sample(time.monotonic() - self._start, pid, mb, files, int(fields["Threads"]))

    def thirds(self) -> dict[str, list[tuple[float, float, float]]]:
        """By what they are: the mean of each kind over all processes, in each third of the time."""
        end = time.monotonic() - self._start
        return {
            name: [_means([s for s in samples if int(3 * s.at / end) == third]) for third in range(3)]
            for name, samples in self._samples.items()
        }

    def table(self) -> str:
        lines = [f"{'':12}" + "".join(f"{kind:>30}" for kind in _KINDS)]
        for name, thirds in self.thirds().items():
            columns = ("".join(f"{third[i]:10.1f}" for third in thirds) for i in range(len(_KINDS)))
            lines.append(f"{name:12}" + "".join(columns))
        return "\n".join(lines)

    def growth(self, part: float, mb: float, count: float) -> list[str]:
        """What the last third has more of than the middle third, beyond `part` of it and some."""
        found = []
        for name, (_, middle, last) in self.thirds().items():
            for kind, before, after, some in zip(_KINDS, middle, last, (mb, count, count), strict=True):
                if after > before * (1 + part) + some:
                    found.append(f"{name}: {before:.1f} to {after:.1f} {kind}")
        return found


def _means(samples: Sequence[Sample]) -> tuple[float, float, float]:
    mb, files, threads = (fmean(v) for v in zip(*(s.values() for s in samples), strict=True))
    return mb, files, threads
