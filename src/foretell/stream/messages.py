"""What goes through a turn of the loop: a block of records in, records out."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from confluent_kafka import Message
from numpy.typing import NDArray

Headers = list[tuple[str, bytes]]


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
        changes: (partition, key, value) of the changelog.
        dead: dead letters by reason's number. duplicates: rows that said nothing new.
    """

    forecasts: list[tuple[bytes, bytes, Headers]] = field(default_factory=list)
    dead_letters: list[tuple[bytes | None, bytes | None, Headers]] = field(default_factory=list)
    changes: list[tuple[int, bytes, bytes | None]] = field(default_factory=list)
    dead: dict[int, int] = field(default_factory=dict)
    duplicates: int = 0
