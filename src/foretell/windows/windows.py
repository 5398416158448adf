"""Windows of many series: rows in, windows that are due out. No Kafka, no clock, no object a series."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from foretell.rows.reasons import Reason
from foretell.windows.cut import Pass, cut
from foretell.windows.packing import Layout, Parts, pack, unpack
from foretell.windows.rules import WindowRules
from foretell.windows.store import Store
from foretell.windows.update import Before, Due, Outcome, Update


class Windows(ABC):
    """What regular and sequence windows share: the order of things, the store, undo, dump and load.

    Rows count as if they came one at a time; how they are cut into calls makes no difference.
    """

    def __init__(
        self, rules: WindowRules, empty: NDArray[np.void], layout: Layout, *, late_first: bool
    ) -> None:
        self.rules = rules
        self._store = Store(empty)
        self._layout = layout
        self._late_first = late_first

    @property
    def nbytes(self) -> int:
        """Bytes of all series together."""
        return self._store.nbytes

    def add(self, count: int) -> NDArray[np.intp]:
        """(count,) ids of new, empty series; ids of dropped series come again."""
        return self._store.add(count)

    def drop(self, ids: NDArray[np.intp]) -> None:
        """Forget series; their ids must not be used any more."""
        self._store.drop(ids)

    def update(
        self,
        ids: NDArray[np.intp],
        time_us: NDArray[np.int64],
        values: NDArray[np.float64],
        record_us: NDArray[np.int64],
    ) -> Update:
        """Take n rows in.

        Args:
            ids: (n,) series. time_us: (n,) event times. record_us: (n,) timestamps of their records.
            values: (n, features), finite, own units.
        """
        future = time_us > record_us + self.rules.future_tolerance_us
        tick, newest = self._tick(time_us), self._store.field("newest", ids)
        reason = np.where(future, np.uint8(Reason.IN_THE_FUTURE), np.uint8(Reason.OK))
        duplicate = np.zeros(len(ids), np.bool_)
        before = Before(ids[:0], self._store.take(ids[:0]))
        parts: list[Due] = []
        for rows in cut(ids, tick, newest, np.flatnonzero(~future), late_first=self._late_first):
            records = self._store.take(rows.series)
            if not parts:  # each series has its first row in the first pass
                before = Before(rows.series, records)
            outcome = self._advance(records, rows, values[rows.rows])
            self._store.put(rows.series, outcome.after)
            reason[rows.rows[outcome.too_late]] = Reason.TOO_LATE
            reason[rows.rows[outcome.conflict]] = Reason.CONFLICT
            duplicate[rows.rows[outcome.duplicate]] = True
            parts.append(outcome.due)
        due = Due.join(parts or [Due.nothing(self.rules.lookback, self.rules.features)])
        return Update(
            reason=reason,
            duplicate=duplicate,
            due=due.rows,
            windows=due.windows,
            filled=due.filled,
            revision=due.revision,
            newest_us=due.newest * (self.rules.every_us or 1),
            touched=np.unique(ids[(reason == Reason.OK) & ~duplicate]),
            before=before,
        )

    def undo(self, update: Update) -> None:
        """Put each series back as it was before `update`: at most once, the newest update first."""
        self._store.put(update.before.ids, update.before.records)

    def dump(self, ids: NDArray[np.intp]) -> list[bytes]:
        """The whole state of each series; see `packing` for the layout."""
        return pack(self._layout, self._parts(self._store.take(ids)))

    def load(self, ids: NDArray[np.intp], blobs: Sequence[bytes]) -> None:
        """Put dumped states into series. Raises InputError, and changes nothing, when one is malformed."""
        if len(ids):
            self._store.put(ids, self._whole(unpack(self._layout, blobs)))

    @abstractmethod
    def _tick(self, time_us: NDArray[np.int64]) -> NDArray[np.int64]:
        """(n,) event times → ticks (see `cut`)."""

    @abstractmethod
    def _advance(self, records: NDArray[np.void], rows: Pass, values: NDArray[np.float64]) -> Outcome:
        """One pass. records: (k,) of its series, not to be written to. values: (r, features) of its rows."""

    @abstractmethod
    def _parts(self, records: NDArray[np.void]) -> Parts:
        """(n,) records → what `packing` writes."""

    @abstractmethod
    def _whole(self, parts: Parts) -> NDArray[np.void]:
        """What `packing` read → (n,) records. Raises InputError where it makes no sense."""
