"""A block of rows becomes forecasts, dead letters and changed windows: all of a worker that is not Kafka."""

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial

import numpy as np
from numpy.typing import NDArray

from foretell.config import Settings
from foretell.errors import EngineError
from foretell.forecasting.forecaster import Forecaster
from foretell.forecasting.forecasts import Forecasts
from foretell.rows.adapter import Adapter
from foretell.rows.block import RowBlock
from foretell.rows.reasons import Reason
from foretell.stream.messages.blocks import Change, Forecast, Headers, Incoming, Outgoing
from foretell.stream.messages.changelog import State, encode_states
from foretell.stream.messages.codec import ForecastBatch, ForecastEncoder
from foretell.stream.messages.deadletter import ORIGIN, REVISION, bury
from foretell.stream.worker.recipe import Recipe
from foretell.stream.worker.series import SeriesTable
from foretell.windows import Update, open_windows

_MESSAGES = {
    Reason.IN_THE_FUTURE: "event time {time} lies further ahead of its record than windows.future_tolerance",
    Reason.TOO_LATE: "event time {time} is older than the window of series {series}",
    Reason.CONFLICT: "series {series} already has other values for event time {time}",
}


class Pipeline:
    """Decode, window, forecast, encode. It keeps the windows of the partitions that its worker owns.

    Attributes:
        series: which series there are.
        rules: fingerprint of what makes a stored window readable.
        notices: plain words for a person, each said once; whoever tells them empties the list.
    """

    def __init__(self, settings: Settings, forecaster: Forecaster, adapter: Adapter | None = None) -> None:
        """Raises ConfigError or AdapterError, as `Recipe.of`."""
        self._recipe = recipe = Recipe.of(settings, forecaster.manifest, adapter)
        self._forecaster = forecaster
        self._windows = open_windows(recipe.rules)
        self._encoder = ForecastEncoder(recipe.manifest, recipe.template)
        self._decoder = recipe.decoder(settings)
        self._keyed = settings.rows.series is None
        self._watch = recipe.range_watch()
        self.series = SeriesTable(self._windows)
        self.rules = recipe.rules.fingerprint(recipe.names)
        self.notices: list[str] = []

    @property
    def outside(self) -> dict[str, int]:
        """Values far from those trained on, by feature."""
        return dict(zip(self._recipe.names, self._watch.outside.tolist(), strict=True))

    @property
    def number_fields(self) -> frozenset[str]:
        """Fields of a row that must hold numbers, by dotted path; a table of text converts these."""
        return self._decoder.number_fields

    def take(self, block: Incoming) -> Outgoing:
        """Forecast a block. Windows change at once; `undo` puts them back."""
        out = self.begin(block)
        out.complete()
        return out

    def begin(self, block: Incoming, about_to_infer: Callable[[], None] = lambda: None) -> Outgoing:
        """`take`, but for the messages of the forecasts: `Outgoing.complete` writes them, in any thread."""
        rows, good, update = self._update(block)
        out = Outgoing(updates=[update], duplicates=int(update.duplicate.sum()))
        due = good[update.due]
        about_to_infer()
        forecasts = self._predict(update.windows, update.newest_us)
        for place in np.flatnonzero(forecasts.refused).tolist():
            rows.refuse(
                int(due[place]), Reason.ENGINE_ERROR, "the network gave no finite answer for this window"
            )
        out.revisions = int(update.revision[~forecasts.refused].sum())
        out.filled = int(update.filled[~forecasts.refused].sum())
        out.unsaid.append(partial(self._encode, block, rows, due, update, forecasts))
        bury(out, block, rows)
        self._record(out, update.touched)
        return out

    def undo(self, out: Outgoing) -> None:
        """Put windows back as they were before a turn that was not delivered; of several, newest first."""
        for update in reversed(out.updates):
            self._windows.undo(update)

    def absorb(self, block: Incoming) -> None:
        """Let a block pass through the windows without forecasts: to rebuild them."""
        self._update(block)

    def restore(self, partition: int, states: Mapping[str, State]) -> None:
        """Take over a partition's windows as its last owner committed them."""
        names = list(states)
        if names:
            ids = self.series.ids(names, np.full(len(names), partition, np.int32))
            self._windows.load(ids, [state.window for state in states.values()])

    def forget(self, partition: int, names: Collection[str]) -> None:
        """Let some series of a partition go; names that it does not have are none."""
        self.series.forget(partition, names)

    def dump(self, partition: int) -> list[Change]:
        """Changelog records of all series of a partition."""
        table = self.series.of_partition(partition)
        values = encode_states(self.rules, self._windows.dump(np.fromiter(table.values(), np.intp)))
        return [(partition, name.encode(), value) for name, value in zip(table, values, strict=True)]

    def drop(self, partition: int) -> None:
        """Let a partition's windows go; turns with rows of it must be delivered or undone by then."""
        self.series.drop(partition)

    def decode(self, block: Incoming) -> RowBlock:
        """Rows of a block; bad ones bear their reason."""
        keys = block.keys() if self._keyed else [None] * len(block)
        return self._decoder.decode(block.values, keys, block.record_us)

    def _update(self, block: Incoming) -> tuple[RowBlock, NDArray[np.intp], Update]:
        rows = self.decode(block)
        good = np.flatnonzero(rows.reason == Reason.OK)
        names = [rows.series[i] or "" for i in good.tolist()]
        ids = self.series.ids(names, block.partition[good])
        values = rows.values[good]
        update = self._windows.update(ids, rows.time_us[good], values, block.record_us[good])
        self.notices += self._watch.observe(values)
        for place in np.flatnonzero(update.reason).tolist():
            index, reason = int(good[place]), Reason(update.reason[place])
            time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(rows.time_us[index]))
            text = _MESSAGES[reason].format(time=time.isoformat(), series=rows.series[index])
            rows.refuse(index, reason, text)
        return rows, good, update

    def _predict(self, windows: NDArray[np.float64], newest_us: NDArray[np.int64]) -> Forecasts:
        """All at once; when the runtime fails on the block, one by one, so that one window fails alone."""
        try:
            return self._forecaster.predict(windows, self._recipe.horizon, newest_us)
        except EngineError:
            if len(windows) < 2:
                raise
        return self._one_by_one(windows, newest_us)

    def _one_by_one(self, windows: NDArray[np.float64], newest_us: NDArray[np.int64]) -> Forecasts:
        targets = len(self._forecaster.manifest.targets)
        values = np.full((len(windows), self._recipe.horizon, targets), np.nan)
        steps, refused = np.zeros(len(windows), np.int64), np.ones(len(windows), np.bool_)
        native = 0
        for i in range(len(windows)):
            try:
                one = self._forecaster.predict(windows[i : i + 1], self._recipe.horizon, newest_us[i : i + 1])
            except EngineError as error:
                last = error
                continue
            values[i], steps[i], refused[i], native = (
                one.values[0],
                one.steps[0],
                one.refused[0],
                one.native_steps,
            )
        if not native:
            raise last  # not the windows' fault: a replacement starts with a fresh runtime
        return Forecasts(values, steps, native, refused)

    def _encode(
        self,
        block: Incoming,
        rows: RowBlock,
        due: NDArray[np.intp],
        update: Update,
        forecasts: Forecasts,
    ) -> list[Forecast]:
        kept = np.flatnonzero(~forecasts.refused)
        index = due[kept].tolist()
        batch = ForecastBatch(
            series=[rows.series[i] or "" for i in index],
            newest_us=update.newest_us[kept],
            values=forecasts.values[kept] * self._recipe.factor + self._recipe.offset,
            steps=forecasts.steps[kept],
            filled=update.filled[kept],
            revision=update.revision[kept],
            rows={path: [column[i] for i in index] for path, column in rows.extras.items()},
        )
        values = self._encoder.encode(batch)
        headers = _headers(block, due[kept], update.revision[kept])
        keys = [name.encode() for name in batch.series]
        return list(zip(keys, values, headers, strict=True))

    def _record(self, out: Outgoing, touched: NDArray[np.intp]) -> None:
        values = encode_states(self.rules, self._windows.dump(touched))
        names = self.series.names(touched)
        partitions = self.series.partitions(touched)
        out.changes = [
            (p, name.encode(), value) for p, name, value in zip(partitions, names, values, strict=True)
        ]


def _headers(block: Incoming, index: NDArray[np.intp], revision: NDArray[np.bool_]) -> list[Headers]:
    headers: list[Headers] = [[(ORIGIN, origin)] for origin in block.origin(index)]
    for i in np.flatnonzero(revision).tolist():
        headers[i].append((REVISION, b"true"))
    return headers
