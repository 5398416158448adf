"""What goes through a turn of the loop: a block of records in, records out."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from confluent_kafka import Message
from numpy.typing import NDArray

Headers = list[tuple[str, bytes]]
Change = tuple[int, bytes, bytes | None]  # partition, key, value


@dataclass(slots=True)
class Incoming:
    """n records of one topic, as a poll gave them; all arrays are (n,).

    Attributes:
        record_us: the records' own timestamps, microseconds since 1970 UTC.
        messages: the records themselves; keys and headers are looked up where they are needed.
    """

    topic: str
    partition: NDArray[np.int32]
    offset: NDArray[np.int64]
    record_us: NDArray[np.int64]
    values: list[bytes | None]
    messages: Sequence[Message]

    @classmethod
    def of(cls, topic: str, messages: Sequence[Message]) -> "Incoming":
        """Columns out of records."""
        return cls(
            topic,
            np.array([m.partition() for m in messages], np.int32),
            np.array([m.offset() for m in messages], np.int64),
            np.array([m.timestamp()[1] for m in messages], np.int64) * 1000,
            [m.value() for m in messages],
            messages,
        )

    def __len__(self) -> int:
        return len(self.messages)

    def keys(self) -> list[bytes | None]:
        return [m.key() for m in self.messages]

    def first_offsets(self) -> dict[int, int]:
        """By partition."""
        partitions, first = np.unique(self.partition, return_index=True)
        return dict(zip(partitions.tolist(), self.offset[first].tolist(), strict=True))

    def next_offsets(self) -> dict[int, int]:
        """By partition: where the next block begins."""
        partitions, last = np.unique(self.partition[::-1], return_index=True)
        return dict(zip(partitions.tolist(), (self.offset[::-1][last] + 1).tolist(), strict=True))


@dataclass(slots=True)
class Outgoing:
    """What a block became; each list has its own topic.

    Attributes:
        forecasts, dead_letters: (key, value, headers).
        changes: records of the changelog.
        rows: (key, value, headers, timestamp in ms) of rows that go on to the partition of their series.
        dead: dead letters by reason's number. duplicates: rows that said nothing new.
        revisions: forecasts issued again. filled: slots of windows filled by policy.
    """

    forecasts: list[tuple[bytes, bytes, Headers]] = field(default_factory=list)
    dead_letters: list[tuple[bytes | None, bytes | None, Headers]] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    rows: list[tuple[bytes, bytes, Headers, int]] = field(default_factory=list)
    dead: dict[int, int] = field(default_factory=dict)
    duplicates: int = 0
    revisions: int = 0
    filled: int = 0

    def add(self, other: "Outgoing") -> None:
        """Take in what another block of the same turn became."""
        self.forecasts += other.forecasts
        self.dead_letters += other.dead_letters
        self.changes += other.changes
        self.rows += other.rows
        self.duplicates += other.duplicates
        self.revisions += other.revisions
        self.filled += other.filled
        for reason, count in other.dead.items():
            self.dead[reason] = self.dead.get(reason, 0) + count
