"""The windows of a forecast request, each told by rows or by values, as one block."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import time

import msgspec
import numpy as np
from numpy.typing import NDArray

from foretell.bundle.manifest import Manifest
from foretell.config import RowSettings, WindowSettings
from foretell.rows.event_time import EventTimes
from foretell.serve.backend import Refusal
from foretell.serve.protocols.errors import invalid
from foretell.serve.protocols.row_windows import RowReader


class Item(msgspec.Struct, forbid_unknown_fields=True):
    """A window, by its `rows`, or by its `values` (lookback, features) and the `timestamp` of the newest."""

    series: str | None = None
    rows: list[msgspec.Raw] | None = None
    values: list[list[float]] | None = None
    timestamp: str | float | None = None


@dataclass(slots=True)
class Block:
    """Of k items.

    Attributes:
        windows: (k, lookback, features) float64 own units. newest_us: event times of the newest steps, where
            they are known. filled: steps that were filled by policy.
        refused: by item; their paths begin at the item, and its window holds anything.
    """

    windows: NDArray[np.float64]
    newest_us: list[int | None]
    filled: list[int]
    refused: dict[int, Refusal]

    def only(self, good: Sequence[int]) -> "Block":
        """These items, none of which was refused."""
        times, filled = [self.newest_us[i] for i in good], [self.filled[i] for i in good]
        return Block(self.windows[list(good)], times, filled, {})


class ItemReader:
    """For one version of a model. Raises ConfigError where the settings and the model do not go together."""

    def __init__(self, manifest: Manifest, rows: RowSettings, windows: WindowSettings) -> None:
        self.version = manifest.version
        self._rows = RowReader(manifest, rows, windows)
        self._times = EventTimes(rows.time_format, rows.time_zone)
        self._shape = manifest.lookback, len(manifest.inputs)
        self._features = ", ".join(column.name for column in manifest.inputs)

    def read(self, items: Sequence[Item]) -> Block:
        """All of them; one that is wrong costs the others nothing."""
        count = len(items)
        block = Block(np.zeros((count, *self._shape)), [None] * count, [0] * count, {})
        by_rows: list[int] = []
        for i, item in enumerate(items):
            try:
                if self._is_rows(item):
                    by_rows.append(i)
                else:
                    block.windows[i], block.newest_us[i] = self._values(item), self._time(item)
            except Refusal as refusal:
                block.refused[i] = refusal
        if by_rows:
            self._read_rows(items, by_rows, block)
        return block

    def _read_rows(self, items: Sequence[Item], which: list[int], block: Block) -> None:
        rows = [[bytes(row) for row in items[i].rows or ()] for i in which]
        found = self._rows.read(rows, round(time() * 1e6))
        block.windows[which] = found.windows
        for i, newest, filled in zip(which, found.newest_us.tolist(), found.filled.tolist(), strict=True):
            block.newest_us[i], block.filled[i] = newest, filled
        block.refused |= {which[i]: refusal for i, refusal in found.refused.items()}

    def _is_rows(self, item: Item) -> bool:
        if (item.rows is None) == (item.values is None):
            raise invalid("rows", "a window wants `rows` or `values`", "send one of the two")
        if item.rows is None:
            return False
        if item.timestamp is not None:
            raise invalid("timestamp", "each of the rows has its own", "leave it out")
        if not item.rows:
            raise invalid("rows", "no row at all", self._rows.wanted)
        return True

    def _values(self, item: Item) -> NDArray[np.float64]:
        """Numbers are finite: JSON has no others."""
        values = item.values or []
        lengths = {len(step) for step in values}
        if (len(values), *lengths) != self._shape:
            told = f"{len(values)} steps of {' or '.join(map(str, sorted(lengths))) or 'no'} values"
            cure = f"send {self._shape[0]} steps of {self._features}, oldest first"
            raise invalid("values", f"{told}; {self._shape[0]} of {self._shape[1]} are wanted", cure)
        return np.array(values, np.float64)

    def _time(self, item: Item) -> int | None:
        if item.timestamp is None:
            return None
        times, wrong = self._times.read([item.timestamp])
        if wrong:
            raise invalid("timestamp", wrong[0], "send the event time of the newest step")
        return int(times[0])
