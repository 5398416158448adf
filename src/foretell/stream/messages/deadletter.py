"""Dead letters: the row as it came, and in its headers why it cannot be used and where it came from."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from confluent_kafka import Message

from foretell.rows.block import RowBlock
from foretell.rows.reasons import Reason
from foretell.stream.messages.blocks import Headers, Incoming, Outgoing

REASON, MESSAGE, ORIGIN = "foretell-error-reason", "foretell-error-message", "foretell-origin"
REVISION = "foretell-revision"
TIMESTAMP, KEY = "foretell-origin-timestamp", "foretell-origin-key"
REDRIVEN = "foretell-redriven-from"
_LONGEST = 1000  # characters of a message
_ORIGIN = re.compile(r"(?P<topic>[\w.-]+)/(?P<partition>\d+)/(?P<offset>\d+)")
UNKNOWN = "unknown"


def dead_letter_topic(input_topic: str) -> str:
    """`<input>-dead-letters`."""
    return f"{input_topic}-dead-letters"


def dead_letter_headers(
    reason: Reason,
    message: str,
    origin: bytes,
    original: Iterable[tuple[str, bytes]] | None = None,
    timestamp_ms: int | None = None,
) -> Headers:
    """The row's own headers and ours; its key and value go unchanged.

    Args:
        origin: `topic/partition/offset` of the row.
        original: the row's headers; what an earlier dead letter of the same row said is left out.
        timestamp_ms: the row's, so that a redrive can give it back.
    """
    ours = [(REASON, reason.word.encode()), (MESSAGE, message[:_LONGEST].encode()), (ORIGIN, origin)]
    if timestamp_ms is not None:
        ours.append((TIMESTAMP, str(timestamp_ms).encode()))
    replaced = {REASON, MESSAGE, ORIGIN, TIMESTAMP, KEY}
    return [(k, v) for k, v in original or () if k not in replaced] + ours


def bury(out: Outgoing, block: Incoming, rows: RowBlock) -> None:
    """Turn the bad rows of a block into dead letters, in its order."""
    bad = np.flatnonzero(rows.reason)
    for i, origin in zip(bad.tolist(), block.origin(bad), strict=True):
        record, reason = block.messages[i], Reason(int(rows.reason[i]))
        timestamp_ms = int(block.record_us[i]) // 1000
        headers = dead_letter_headers(reason, rows.message[i], origin, record.headers(), timestamp_ms)
        out.dead_letters.append((block.key(i), record.value(), headers))
    numbers, counts = np.unique(rows.reason[bad], return_counts=True)
    out.dead = dict(zip(numbers.tolist(), counts.tolist(), strict=True))


@dataclass(frozen=True)
class DeadLetter:
    """A record of the dead-letter topic.

    Attributes:
        partition, offset, time_ms: of the dead letter itself.
        reason: a word of `Reason`, or `unknown` where somebody else wrote the record.
        origin: topic and partition of the row, when the header tells.
        row_time_ms: the row's own timestamp; 0: not known.
        headers: the row's own.
    """

    partition: int
    offset: int
    time_ms: int
    key: bytes | None
    value: bytes | None
    reason: str
    message: str
    origin: tuple[str, int] | None
    row_time_ms: int
    headers: Headers

    @classmethod
    def of(cls, record: Message) -> "DeadLetter":
        all_headers: Sequence[tuple[str, bytes | None]] = record.headers() or []
        told = {k: (v or b"").decode(errors="replace") for k, v in all_headers if k.startswith("foretell-")}
        origin = _ORIGIN.fullmatch(told.get(ORIGIN, ""))
        reason = told.get(REASON, UNKNOWN)
        return cls(
            partition=record.partition(),
            offset=record.offset(),
            time_ms=record.timestamp()[1],
            key=record.key(),
            value=record.value(),
            reason=reason if reason in WORDS else UNKNOWN,
            message=told.get(MESSAGE, ""),
            origin=(origin["topic"], int(origin["partition"])) if origin else None,
            row_time_ms=int(told[TIMESTAMP]) if told.get(TIMESTAMP, "").isdecimal() else 0,
            headers=[(k, v or b"") for k, v in all_headers if not k.startswith("foretell-")],
        )


WORDS = (*(reason.word for reason in Reason if reason is not Reason.OK), UNKNOWN)
