"""What waits: a `Work` for each caller, a `Job` for each computation, which several works may share."""

import math
from collections.abc import Hashable
from enum import Enum, auto
from typing import Any

import msgspec

from foretell.serve.backend import Priority


class State(Enum):
    """Of a work. Each ends in exactly one of the last three, and nothing leads out of these."""

    OFFERED = auto()
    WAITING = auto()
    ANSWERED = auto()
    REFUSED = auto()
    CANCELLED = auto()


class Work(msgspec.Struct, eq=False):
    """What a caller waits for.

    Attributes:
        rows: windows. passes: evaluations a row, several where a forecast is rolled out.
        arrived, deadline: seconds on the caller's clock; a deadline of infinity is none.
        asked: when the caller did, where that was before it arrived here.
        job: its computation, until it is answered.
        content: works of equal content have the same answer; `None`: shared with nobody.
        payload: what is to be computed; a job has that of its first work. caller: who is to be told.
    """

    rows: int
    arrived: float
    priority: Priority = Priority.LOW
    deadline: float = math.inf
    passes: int = 1
    content: Hashable | None = None
    payload: Any = None
    caller: Any = None
    state: State = State.OFFERED
    asked: float | None = None
    job: "Job | None" = None

    @property
    def load(self) -> int:
        """Evaluations: what costs are counted in."""
        return self.rows * self.passes


class Job(msgspec.Struct, eq=False):
    """A computation, and the works that wait for it. It is as urgent as the most urgent that ever joined.

    Attributes:
        works: an ordered set.
        level: its class now, with ageing. rises: when it becomes one more.
        taken, done: rows that went into a batch, and that came back.
        order: by arrival. entry: the number of its valid entries in the heaps.
        slot: where its deadline is counted.
        results: what came of its pieces, in their order.
    """

    rows: int
    passes: int
    content: Hashable | None
    priority: Priority
    deadline: float
    payload: Any = None
    works: dict[Work, None] = msgspec.field(default_factory=dict)
    level: int = 0
    rises: float = math.inf
    taken: int = 0
    done: int = 0
    order: int = 0
    entry: int = 0
    slot: int = 0
    results: list[Any] = msgspec.field(default_factory=list)

    @classmethod
    def of(cls, work: Work) -> "Job":
        job = cls(work.rows, work.passes, work.content, work.priority, work.deadline, work.payload)
        job.join(work)
        return job

    def join(self, work: Work) -> None:
        self.works[work] = None
        work.job, work.state = self, State.WAITING

    @property
    def waiting(self) -> bool:
        """Whether rows of it wait for a batch, for somebody."""
        return self.taken < self.rows and bool(self.works)

    @property
    def load(self) -> int:
        """Evaluations that wait."""
        return (self.rows - self.taken) * self.passes


class Piece(msgspec.Struct):
    """Rows `start` to `stop` of a job."""

    job: Job
    start: int
    stop: int


class Batch(msgspec.Struct):
    """What is evaluated together. load: evaluations. started: when it was taken."""

    started: float
    pieces: list[Piece] = msgspec.field(default_factory=list)
    rows: int = 0
    load: int = 0

    def add(self, piece: Piece) -> None:
        rows = piece.stop - piece.start
        self.pieces.append(piece)
        self.rows += rows
        self.load += rows * piece.job.passes
