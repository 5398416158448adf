"""From the bytes of many records to a block of rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foretell.config import RowSettings
from foretell.errors import ConfigError
from foretell.rows.adapter import Adapter
from foretell.rows.block import RowBlock
from foretell.rows.diagnosis import UNREADABLE, diagnose
from foretell.rows.event_time import EventTimes
from foretell.rows.features import Features
from foretell.rows.layout import Layout
from foretell.rows.reasons import Reason

Bounds = Sequence[tuple[float, float] | None]

NUMBER: Any = float | None
SERIES: Any = str | int | None
TIME: Any = str | float | None
ANYTHING: Any = Any

LONGEST_SERIES = 255  # characters; a longer one is a row gone wrong, and each is kept as long as its window


class RowDecoder:
    """Reads records' values as rows: one JSON object each, of which only the wanted fields are decoded.

    Fields that nobody asked for are skipped and may hold anything.

    Args:
        settings: where a row keeps its series, its event time and its features.
        features: of the model, in the manifest's order.
        adapter: how features come out of fields.
        bounds: a feature each: rows outside are refused (`out_of_range`); None: taken as they are.
        extra: dotted paths that the output's template repeats; numbers of features come as floats.

    Raises:
        AdapterError, ConfigError: what is wanted cannot be had; names the feature or the field.
    """

    def __init__(
        self,
        settings: RowSettings,
        features: Sequence[str],
        adapter: Adapter,
        bounds: Bounds | None = None,
        extra: Sequence[str] = (),
    ) -> None:
        self._settings = settings
        self._features = Features(features, adapter)
        self._bounds = [(j, *pair) for j, pair in enumerate(bounds or ()) if pair is not None]
        self._times = EventTimes(settings.time_format, settings.time_zone)
        self._extra = tuple(extra)
        self._layout = Layout(self._types())

    @property
    def number_fields(self) -> frozenset[str]:
        """Dotted paths that must hold numbers; a table of text (CSV) converts these and no others."""
        time = self._settings.timestamp
        is_number = time is not None and self._settings.time_format != "iso8601"
        return frozenset(self._features.paths) | ({time} if is_number and time else set())

    def decode(
        self,
        values: Sequence[bytes | None],
        keys: Sequence[bytes | None],
        record_us: NDArray[np.int64],
    ) -> RowBlock:
        """n records → a block of n rows in the same order; a bad row costs the others nothing.

        Args:
            values, keys: n each, as the broker has them.
            record_us: (n,) the records' own timestamps, microseconds since 1970 UTC, negative: unknown.
        """
        rows, failed = self._parse(values)
        columns = self._layout.columns(rows)
        block = RowBlock(
            series=[None] * len(rows),
            time_us=record_us,
            values=np.empty((len(rows), 0)),
            reason=np.zeros(len(rows), np.uint8),
        )
        for i, error in failed.items():
            block.refuse(i, *diagnose(values[i], self._layout.types, self._settings.timestamp, error))
        block.series = self._series(columns, keys, block)
        block.time_us = self._event_times(columns, record_us, block)
        block.values = self._values(columns, block)
        block.extras = {path: columns[path] for path in self._extra}
        return block

    def _types(self) -> dict[str, Any]:
        types: dict[str, Any] = dict.fromkeys(self._features.paths, NUMBER)
        for path, wanted in ((self._settings.series, SERIES), (self._settings.timestamp, TIME)):
            if path in types:
                raise ConfigError(
                    f"field {path} is wanted twice, as {'series' if wanted is SERIES else 'event time'} too",
                    cure="check rows.series, rows.timestamp and the adapter's fields",
                )
            if path is not None:
                types[path] = wanted
        return types | {path: ANYTHING for path in self._extra if path not in types}

    def _parse(self, values: Sequence[bytes | None]) -> tuple[list[Any], dict[int, Exception]]:
        """An iterator goes on behind the value that failed, so a bad row costs one exception."""
        rows: list[Any] = []
        failed: dict[int, Exception] = {}
        each = map(self._layout.decoder.decode, values)  # type: ignore[arg-type]
        while True:
            try:
                rows.extend(each)
                return rows, failed
            except (*UNREADABLE, TypeError) as error:
                failed[len(rows)] = error
                rows.append(self._layout.blank)

    def _series(
        self, columns: dict[str, list[Any]], keys: Sequence[bytes | None], block: RowBlock
    ) -> list[str | None]:
        path = self._settings.series
        names = [_text(key) for key in keys] if path is None else columns[path]
        if set(map(type, names)) - {str}:
            names = [name if type(name) is str else _name(name) for name in names]
        unusable = {name for name in set(names) if name is None or not 0 < len(name) <= LONGEST_SERIES}
        if unusable:
            for i in [i for i, name in enumerate(names) if name in unusable]:
                block.refuse(i, Reason.NO_SERIES, _no_series(path, names[i]))
        return names

    def _event_times(
        self, columns: dict[str, list[Any]], record_us: NDArray[np.int64], block: RowBlock
    ) -> NDArray[np.int64]:
        path = self._settings.timestamp
        if path is None:
            for i in np.flatnonzero(record_us < 0).tolist():
                block.refuse(i, Reason.BAD_TIMESTAMP, "the record has no timestamp")
            return record_us
        times, wrong = self._times.read(columns[path])
        for i, message in wrong.items():
            if columns[path][i] is None:
                block.refuse(i, Reason.MISSING_FIELD, f"{path} is missing")
            else:
                block.refuse(i, Reason.BAD_TIMESTAMP, f"{path}: {message}")
        return times

    def _values(self, columns: dict[str, list[Any]], block: RowBlock) -> NDArray[np.float64]:
        # JSON has no NaN, so None may become NaN: missing, and nothing else.
        numbers = {path: np.array(columns[path], np.float64) for path in self._features.paths}
        values = self._features.evaluate(numbers, block)
        for j, low, high in self._bounds:
            column = values[:, j]
            for i in np.flatnonzero((column < low) | (column > high)).tolist():
                message = f"{self._features.names[j]} is {column[i]:g}, outside {low:g} to {high:g}"
                block.refuse(i, Reason.OUT_OF_RANGE, message)
        values[block.reason != Reason.OK] = np.nan
        return values


def _text(key: bytes | None) -> str | None:
    try:
        return None if key is None else key.decode()
    except UnicodeDecodeError:
        return None


def _name(name: str | int | None) -> str | None:
    """A whole number is its text; one of thousands of digits has none."""
    try:
        return None if name is None else str(name)
    except ValueError:
        return None


def _no_series(path: str | None, name: str | None) -> str:
    where = "the record's key" if path is None else path
    if name is None:
        return f"{where} is missing" if path else f"{where} is missing or no text"
    return (
        f"{where} is empty" if not name else f"{where} has {len(name)} characters, at most {LONGEST_SERIES}"
    )
