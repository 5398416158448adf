"""From the rows of a request to windows, by the very code of the stream: units, defaults, gaps, event times.

A request is to its rows what a record is: it arrived now, so none of them may lie further ahead than
`windows.future_tolerance`. Rows may come in any order; the window that ends with the newest one is forecast.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foretell.bundle.manifest import Manifest
from foretell.config import RowSettings, WindowSettings
from foretell.rows.block import RowBlock
from foretell.rows.decoder import RowDecoder
from foretell.rows.features import Features
from foretell.rows.reasons import Reason
from foretell.serve.backend import Refusal
from foretell.serve.protocols.errors import invalid
from foretell.windows import WindowRules, open_windows

_CHUNK = 2048  # rows; each may give a window, and only the last of an item is kept
_LATER = {
    Reason.IN_THE_FUTURE: "lies further ahead of now than windows.future_tolerance allows",
    Reason.CONFLICT: "is told twice with other values",
    Reason.TOO_LATE: "is older than its window",
}


@dataclass(slots=True)
class RowWindows:
    """Of k items; all arrays are (k, …).

    Attributes:
        windows: (k, lookback, features) own units; of an item that was refused, anything.
        newest_us: event time of the newest step. filled: steps that were filled by policy.
        refused: by item; their paths begin at the item.
    """

    windows: NDArray[np.float64]
    newest_us: NDArray[np.int64]
    filled: NDArray[np.int32]
    refused: dict[int, Refusal]


class RowReader:
    """For one version of a model.

    Attributes:
        fields: of a row, its time first. wanted: what to send, in words.
    """

    def __init__(self, manifest: Manifest, rows: RowSettings, windows: WindowSettings) -> None:
        """Raises ConfigError where the settings and the model do not go together."""
        names = [column.name for column in manifest.inputs]
        bounds = [column.bounds() for column in manifest.inputs]
        self._timestamp = rows.timestamp or "timestamp"
        # A request says which rows are of one series; a field for it would only be in the way.
        settings = rows.model_copy(update={"series": None, "timestamp": self._timestamp})
        self._decoder = RowDecoder(
            settings, names, manifest.adapter, bounds if windows.out_of_range == "reject" else None
        )
        self._rules = WindowRules.from_settings(
            windows, lookback=manifest.lookback, features=len(names), step_s=manifest.step_s
        )
        # Not the model's features, some of which the adapter makes.
        self.fields = (self._timestamp, *Features(names, manifest.adapter).paths)
        step = self._rules.step_us
        apart = "" if step is None else f", {step / 1e6:g} s apart without a gap"
        self.wanted = f"send {manifest.lookback} rows of {', '.join(self.fields)}{apart}"

    def read(self, items: Sequence[Sequence[bytes]], now_us: int) -> RowWindows:
        """Items of rows, each row a JSON object as it came."""
        counts = [len(item) for item in items]
        first = np.cumsum([0, *counts])
        owner = np.repeat(np.arange(len(items)), counts)
        flat = [row for item in items for row in item]
        record_us = np.full(len(flat), now_us, np.int64)
        block = self._decoder.decode(flat, [b"-"] * len(flat), record_us)
        found = self._empty(len(items))
        order = np.lexsort((block.time_us, owner))
        self._window(found, block, owner, order[block.reason[order] == Reason.OK], record_us)
        for i in np.flatnonzero(block.reason).tolist():
            item = int(owner[i])
            found.refused.setdefault(item, self._bad_row(block, i, i - int(first[item])))
        self._check_whole(found, block, owner, counts)
        return found

    def _empty(self, count: int) -> RowWindows:
        shape = count, self._rules.lookback, self._rules.features
        newest = np.full(count, np.iinfo(np.int64).min)
        return RowWindows(np.zeros(shape), newest, np.zeros(count, np.int32), {})

    def _window(
        self,
        found: RowWindows,
        block: RowBlock,
        owner: NDArray[np.intp],
        order: NDArray[np.intp],
        record_us: NDArray[np.int64],
    ) -> None:
        """Take the good rows in order; of each item the newest window stays."""
        windows = open_windows(self._rules)
        ids = windows.add(len(found.windows))
        for start in range(0, len(order), _CHUNK):
            rows = order[start : start + _CHUNK]
            update = windows.update(
                ids[owner[rows]], block.time_us[rows], block.values[rows], record_us[rows]
            )
            for i in np.flatnonzero(update.reason).tolist():
                reason = Reason(int(update.reason[i]))
                block.refuse(int(rows[i]), reason, f"{self._timestamp} {_LATER[reason]}")
            item = owner[rows[update.due]]
            # Of several windows of an item the last assignment stands, and they are in rising order.
            found.windows[item], found.newest_us[item] = update.windows, update.newest_us
            found.filled[item] = update.filled

    def _bad_row(self, block: RowBlock, i: int, place: int) -> Refusal:
        message = block.message[i]
        field = message.split(" ", 1)[0].rstrip(":")
        path = f"rows[{place}]" + (f".{field}" if field in self.fields else "")
        return invalid(path, message, f"a row holds {', '.join(self.fields)}")

    def _check_whole(
        self, found: RowWindows, block: RowBlock, owner: NDArray[np.intp], counts: Sequence[int]
    ) -> None:
        """The newest row must have closed a window."""
        newest = np.full(len(counts), np.iinfo(np.int64).min)
        np.maximum.at(newest, owner, block.time_us)
        every = self._rules.every_us or 1
        for item in np.flatnonzero(found.newest_us != newest // every * every).tolist():
            found.refused.setdefault(
                item,
                invalid(
                    "rows",
                    f"{counts[item]} rows make no window that ends with the newest of them",
                    self.wanted,
                ),
            )
