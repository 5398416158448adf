"""What a replica sees of its calls, by whichever door they come: how many, how long, and how many at once."""

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from foretell.bundle.manifest import Manifest
from foretell.serve.backend import Answer, Backend, Call, Refusal

_KEPT = 4096  # latencies of the newest calls


@dataclass
class Tally:
    """Attributes:
    requests, refused, failed: calls so far; those refused; those that the engine failed on.
    seconds: of those that were answered, together. newest: seconds of the newest of these.
    """

    requests: int = 0
    refused: int = 0
    failed: int = 0
    seconds: float = 0.0
    newest: deque[float] = field(default_factory=lambda: deque(maxlen=_KEPT))


class Doors:
    """A backend around another one. Lives on the lane's loop, where all doors lead.

    Attributes:
        leaving: set when the replica is to go: it is no longer ready, and still answers what comes.
        ongoing: calls under way.
    """

    def __init__(self, inner: Backend) -> None:
        self._inner = inner
        self.leaving = False
        self.ongoing = 0
        self.tally = Tally()

    def manifests(self) -> Mapping[str, Manifest]:
        return self._inner.manifests()

    def ready(self) -> bool:
        return not self.leaving and self._inner.ready()

    async def infer(self, call: Call) -> Answer:
        began = time.monotonic()
        self.ongoing += 1
        tally = self.tally
        tally.requests += 1
        try:
            answer = await self._inner.infer(call)
        except Refusal as refusal:
            tally.refused += 1
            tally.failed += refusal.reason == "engine"
            raise
        finally:
            self.ongoing -= 1
        seconds = time.monotonic() - began
        tally.seconds += seconds
        tally.newest.append(seconds)
        return answer
