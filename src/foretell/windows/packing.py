"""The state of a series as bytes: self-contained, little endian, filled rows only.

0   version (1)
1   kind: 1 regular, 2 sequence
2   width: numbers a row, uint16
4   rows, uint32
8   heads, int64 each: what the kind keeps beside its rows
…   which rows are filled, a bit each, lowest first, padded with zeros to 8 bytes
…   the filled rows, 8 bytes a number
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foretell.errors import InputError

VERSION = 1
CURE = "rebuild the windows from the input: foretell stream --rebuild"


@dataclass(frozen=True, slots=True)
class Layout:
    """What one kind of window stores: `heads` integers, and `rows` of `width` numbers."""

    kind: int
    heads: int
    rows: int
    width: int

    @property
    def mark(self) -> np.uint64:
        """The first 8 bytes, by which version, kind and size are known."""
        return np.uint64(VERSION | self.kind << 8 | self.width << 16 | self.rows << 32)

    @property
    def bit_words(self) -> int:
        """Words of 8 bytes that hold a bit a row."""
        return -(-self.rows // 64)

    @property
    def head_words(self) -> int:
        """Words of 8 bytes before the rows."""
        return 1 + self.heads + self.bit_words


@dataclass(frozen=True, slots=True)
class Parts:
    """n states: heads (n, heads) int64, filled (n, rows) bool, values (n, rows, width) of 8 bytes each."""

    heads: NDArray[np.int64]
    filled: NDArray[np.bool_]
    values: NDArray[np.float64]


def pack(layout: Layout, parts: Parts) -> list[bytes]:
    """n states → n records."""
    count = len(parts.heads)
    head = np.zeros((count, layout.head_words), "<u8")
    head[:, 0] = layout.mark
    head[:, 1 : 1 + layout.heads] = parts.heads.view(np.uint64)
    bits = np.packbits(parts.filled, axis=1, bitorder="little")
    head[:, 1 + layout.heads :].view(np.uint8)[:, : bits.shape[1]] = bits
    heads, body = head.tobytes(), parts.values[parts.filled].astype("<f8", copy=False).tobytes()
    size = 8 * layout.head_words
    ends = np.cumsum(parts.filled.sum(axis=1) * (8 * layout.width)).tolist()
    begins = [0, *ends]
    return [
        heads[at : at + size] + body[begin:end]
        for at, begin, end in zip(range(0, count * size, size), begins, ends, strict=False)
    ]


def unpack(layout: Layout, records: Sequence[bytes]) -> Parts:
    """n records → n states.

    Raises:
        InputError: one of them is damaged, of another size, kind or version; says which and why.
    """
    sizes = np.fromiter(map(len, records), np.intp, len(records)) // 8
    _refuse(np.fromiter(map(len, records), np.intp, len(records)) % 8 != 0, "was cut short")
    _refuse(sizes < layout.head_words, "was cut short")
    words = np.frombuffer(b"".join(records), "<u8")
    begins = np.cumsum(sizes) - sizes
    head = words[begins[:, None] + np.arange(layout.head_words)]
    _refuse(head[:, 0] != layout.mark, "is of another version, kind or size")
    bits = np.unpackbits(
        np.ascontiguousarray(head[:, 1 + layout.heads :]).view(np.uint8), axis=1, bitorder="little"
    ).view(np.bool_)
    filled = bits[:, : layout.rows]
    counts = filled.sum(axis=1)
    _refuse(
        bits[:, layout.rows :].any(axis=1) | (layout.head_words + counts * layout.width != sizes),
        "holds another number of rows than it says",
    )
    first = np.repeat(begins + layout.head_words - layout.width * (np.cumsum(counts) - counts), counts)
    at = first + layout.width * np.arange(len(first))
    values = np.zeros((*filled.shape, layout.width))
    values[filled] = words.view("<f8")[at[:, None] + np.arange(layout.width)]
    return Parts(head[:, 1 : 1 + layout.heads].view(np.int64), filled, values)


def _refuse(bad: NDArray[np.bool_], why: str) -> None:
    if bad.any():
        raise InputError(f"stored window {int(bad.argmax())} of {len(bad)} {why}", cure=CURE)
