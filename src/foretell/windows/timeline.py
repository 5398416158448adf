"""The stored slots of a pass's series, each series followed by its new rows, as one line of slots."""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from foretell.windows.cut import NEVER, Pass


class Timeline:
    """A line of slots, series by series: its anchor, its stored slots, then slots up to its last row.

    A window is a few places of the line at a fixed distance, so that all windows of a pass are one `take`.
    Where a row jumps ahead by more than a window, the line holds no more than a window of empty slots: nobody
    looks further back than that, save to the last filled slot, whose tick is kept.

    Attributes:
        values: (t, features). filled: (t,) bool. tick: (t,) int64, right where filled.
        start: (k,) place of each series's anchor. newest: (k,) place of its newest stored slot.
        last: (k,) its last place. place: (r,) of each row; the anchor's for one older than the window.
    """

    def __init__(self, records: NDArray[np.void], rows: Pass, slots: int) -> None:
        self._slots, self._records, self._rows = slots, records, rows
        ahead = np.clip(rows.tick - rows.before, 0, slots)
        moved = np.cumsum(ahead)
        earlier = moved[rows.first] - ahead[rows.first]
        self.start = earlier + np.arange(len(rows.series)) * (slots + 1)
        self.newest = self.start + slots
        length = int(self.newest[-1] - earlier[-1] + moved[-1]) + 1
        self.last = np.append(self.start[1:], length) - 1
        behind = np.minimum(rows.tick - rows.before, 0)
        place = (self.newest - earlier)[rows.owner] + moved + behind
        self.place = np.maximum(place, self.start[rows.owner])
        self._lay_out(length)

    def _lay_out(self, length: int) -> None:
        stored = self.start[:, None] + np.arange(self._slots + 1)
        self.values = np.zeros((length, self._records["values"].shape[2]))
        self.values[stored] = self._records["values"]
        self.filled = np.zeros(length, np.bool_)
        self.filled[stored] = self._records["filled"]
        self.tick = np.zeros(length, np.int64)
        self.tick[stored] = self._records["newest"][:, None] + np.arange(-self._slots, 1)
        self.tick[self.start] = self._records["anchor"]

    def write(self, good: NDArray[np.bool_], values: NDArray[np.float64]) -> None:
        """Put the good ones of the pass's rows in their places."""
        place = self.place[good]
        self.values[place] = values[good]
        self.filled[place] = True
        self.tick[place] = self._rows.tick[good]

    @cached_property
    def filled_before(self) -> NDArray[np.intp]:
        """(t,) the last filled place at or before each; below its series's start where there is none."""
        places = np.where(self.filled, np.arange(len(self.filled)), -1)
        return np.maximum.accumulate(places)

    @cached_property
    def filled_after(self) -> NDArray[np.intp]:
        """(t,) the first filled place at or after each; for places before a filled one of their series."""
        places = np.where(self.filled, np.arange(len(self.filled)), len(self.filled))
        return np.minimum.accumulate(places[::-1])[::-1]

    def records(self) -> NDArray[np.void]:
        """(k,) the state of each series after its rows."""
        slots, rows = self._slots, self._rows
        after = self._records.copy()
        final_row = np.append(rows.first[1:], len(rows.tick)) - 1
        after["newest"] = np.maximum(self._records["newest"], rows.tick[final_row])
        kept = self.last[:, None] + np.arange(-slots, 1)
        after["values"] = self.values.take(kept, axis=0)
        after["filled"] = self.filled.take(kept)
        # The anchor says what came before the first filled slot; where no slot lacks it, it is left out.
        anchor = self.filled_before[self.last - slots]
        needed = (anchor >= self.start) & ~self.filled[self.last - slots + 1]
        after["anchor"] = np.where(needed, self.tick[anchor], NEVER)
        after["values"][:, 0] = np.where(needed[:, None], self.values[anchor], 0.0)
        after["filled"][:, 0] = needed
        return after
