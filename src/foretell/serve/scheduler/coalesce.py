"""Who shares an answer: identical calls in flight, and similar ones where a resolution says so."""

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from foretell.serve.scheduler.work import Job, Work


class Coalescer:
    """Jobs in flight by content. A dict compares the contents themselves, so that no two calls are ever
    taken for equal by a collision of hashes, by chance or by craft."""

    def __init__(self) -> None:
        self._jobs: dict[Hashable, Job] = {}

    def find(self, work: Work) -> Job | None:
        """A job that will answer this work too."""
        return None if work.content is None else self._jobs.get(work.content)

    def started(self, job: Job) -> None:
        if job.content is not None:
            self._jobs[job.content] = job

    def ended(self, job: Job) -> None:
        """It was answered, or nobody waits for it any more."""
        if job.content is not None and self._jobs.get(job.content) is job:
            del self._jobs[job.content]


class Likeness:
    """The content of windows: their bytes, or those of the values that they round to.

    Rounded only where each feature has a resolution: one without would have to be equal to the last bit,
    and a call that shares an answer by accident is worth less than a rule that can be told in a sentence.
    """

    def __init__(
        self, features: Sequence[str], resolution: Mapping[str, float], *, channels_first: bool
    ) -> None:
        steps = np.array([resolution[f] for f in features]) if set(features) <= resolution.keys() else None
        self._steps = steps[:, None] if steps is not None and channels_first else steps

    def of(self, windows: NDArray[np.float64]) -> bytes:
        """(n, lookback, features), or (n, features, lookback) where channels come first."""
        if self._steps is not None and np.isfinite(windows).all():
            # Adding 0 makes the two zeros one.
            rounded: NDArray[np.float64] = np.rint(windows / self._steps) + 0.0
            return rounded.tobytes()
        return windows.tobytes()
