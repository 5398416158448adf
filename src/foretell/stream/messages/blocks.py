"""What goes through a turn of the loop: a block of records in, records out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from confluent_kafka import Message
from numpy.typing import NDArray

from foretell.windows import Update

Place = tuple[str, int]  # topic, partition
Headers = list[tuple[str, bytes]]
Change = tuple[int, bytes, bytes | None]  # partition, key, value
Forecast = tuple[bytes, bytes, Headers]  # key, value, headers


@dataclass(slots=True)
class Incoming:
    """n records of one topic, as a poll gave them; all arrays are (n,).

    Attributes:
        record_us: the records' own timestamps, microseconds since 1970 UTC.
        messages: the records themselves; keys and headers are looked up where they are needed.
        origins, original_keys: of rows that have passed a repartition topic; `None`: their own.
    """

    topic: str
    partition: NDArray[np.int32]
    offset: NDArray[np.int64]
    record_us: NDArray[np.int64]
    values: list[bytes | None]
    messages: Sequence[Message]
    origins: list[bytes] | None = None
    original_keys: list[bytes | None] | None = None

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

    def key(self, i: int) -> bytes | None:
        """A row's key, as its producer gave it."""
        return self.messages[i].key() if self.original_keys is None else self.original_keys[i]

    def keys(self) -> list[bytes | None]:
        return [m.key() for m in self.messages]

    def next_offsets(self) -> dict[Place, int]:
        """Where the next block begins."""
        partitions, last = np.unique(self.partition[::-1], return_index=True)
        offsets = (self.offset[::-1][last] + 1).tolist()
        return {(self.topic, p): o for p, o in zip(partitions.tolist(), offsets, strict=True)}

    def origin(self, index: NDArray[np.intp]) -> list[bytes]:
        """`topic/partition/offset` of rows."""
        if self.origins is not None:
            return [self.origins[i] for i in index.tolist()]
        topic = self.topic.encode()
        places = zip(self.partition[index].tolist(), self.offset[index].tolist(), strict=True)
        return [b"%b/%d/%d" % (topic, p, o) for p, o in places]


@dataclass(slots=True)
class Polled:
    """What one poll gave.

    Attributes:
        blocks: one a topic; none when nothing came.
        ends: of partitions that were read up to where they end now.
    """

    blocks: list[Incoming] = field(default_factory=list)
    ends: dict[Place, int] = field(default_factory=dict)

    def next_offsets(self) -> dict[Place, int]:
        """Where the group goes on after this."""
        return {place: offset for b in self.blocks for place, offset in b.next_offsets().items()}


@dataclass(slots=True)
class Outgoing:
    """What a block became; each list has its own topic.

    Attributes:
        unsaid: forecasts that are no messages yet; `complete` makes them so.
        forecasts, dead_letters: (key, value, headers).
        changes: records of the changelog.
        rows: (key, value, headers) of rows that go on to the partition of their series.
        updates: of windows, oldest first: what `Pipeline.undo` puts back.
        dead: dead letters by reason's number. duplicates: rows that said nothing new.
        revisions: forecasts issued again. filled: slots of windows filled by policy.
    """

    unsaid: list[Callable[[], list[Forecast]]] = field(default_factory=list)
    forecasts: list[Forecast] = field(default_factory=list)
    dead_letters: list[tuple[bytes | None, bytes | None, Headers]] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    rows: list[tuple[bytes, bytes, Headers]] = field(default_factory=list)
    updates: list[Update] = field(default_factory=list)
    dead: dict[int, int] = field(default_factory=dict)
    duplicates: int = 0
    revisions: int = 0
    filled: int = 0

    def add(self, other: "Outgoing") -> None:
        """Take in what another block of the same turn became."""
        self.unsaid += other.unsaid
        self.forecasts += other.forecasts
        self.dead_letters += other.dead_letters
        self.changes += other.changes
        self.rows += other.rows
        self.updates += other.updates
        self.duplicates += other.duplicates
        self.revisions += other.revisions
        self.filled += other.filled
        for reason, count in other.dead.items():
            self.dead[reason] = self.dead.get(reason, 0) + count

    def complete(self) -> None:
        """Write the messages of the forecasts, once: in whichever thread has the time."""
        for write in self.unsaid:
            self.forecasts += write()
        self.unsaid.clear()
