"""What a replica sees of its calls, by whichever door they come: how many, how long, and how many at once."""

import os
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from foretell.bundle.manifest import Manifest
from foretell.serve.backend import Answer, Backend, Call, Refusal

# A tenth of a second is one of them: how many calls took longer is exact.
BOUNDS = tuple(float(f"{10 ** (i / 20):.2e}") for i in range(-80, 41))
_KEPT = 4096  # latencies of the newest calls


@dataclass(frozen=True)
class ReplicaStats:
    """What a replica tells of itself.

    Attributes:
        pid, born: which process it is; seconds since 1970. version: of its plan. device: `cpu` or `cuda:0`.
        requests, refused, failed: calls so far; those refused; those that the engine failed on.
        seconds: that the answered ones took, together. buckets: of the newest ones by `BOUNDS`.
        ongoing: calls under way. trouble: what is wrong with it.
        load: calls under way on average, as it was last told to the autoscaler.
    """

    pid: int
    born: float
    version: str
    device: str
    requests: int
    refused: int
    failed: int
    seconds: float
    buckets: tuple[int, ...]
    ongoing: int
    trouble: str = ""
    load: float = 0.0

    @property
    def answered(self) -> int:
        return self.requests - self.refused - self.ongoing


@dataclass
class _Tally:
    requests: int = 0
    refused: int = 0
    failed: int = 0
    seconds: float = 0.0
    newest: deque[float] = field(default_factory=lambda: deque(maxlen=_KEPT))


class Doors:
    """A backend around another one. Lives on the lane's loop, where all doors lead.

    Attributes:
        leaving: set when the replica is to go: it is no longer ready, and still answers what comes.
        trouble: what is wrong with it; empty when nothing is.
        ongoing: calls under way.
    """

    def __init__(self, inner: Backend) -> None:
        self._inner = inner
        self._born = time.time()
        self._tally = _Tally()
        self.leaving = False
        self.trouble = ""
        self.ongoing = 0

    def manifests(self) -> Mapping[str, Manifest]:
        return self._inner.manifests()

    def ready(self) -> bool:
        return not (self.leaving or self.trouble) and self._inner.ready()

    async def infer(self, call: Call) -> Answer:
        began = time.monotonic()
        self.ongoing += 1
        tally = self._tally
        tally.requests += 1
        try:
            answer = await self._inner.infer(call)
        except BaseException as error:
            tally.refused += 1  # also who went away is not answered
            tally.failed += isinstance(error, Refusal) and error.reason == "engine"
            raise
        finally:
            self.ongoing -= 1
        seconds = time.monotonic() - began
        tally.seconds += seconds
        tally.newest.append(seconds)
        return answer

    def stats(self, version: str, device: str, load: float = 0.0) -> ReplicaStats:
        """From another thread, too."""
        tally = self._tally
        places = np.searchsorted(BOUNDS, np.array(tally.newest.copy()))
        buckets = tuple(np.bincount(places, minlength=len(BOUNDS) + 1).tolist())
        return ReplicaStats(
            os.getpid(),
            self._born,
            version,
            device,
            tally.requests,
            tally.refused,
            tally.failed,
            tally.seconds,
            buckets,
            self.ongoing,
            self.trouble,
            load,
        )
