"""Event times: what a row says of when it holds, as microseconds since 1970 UTC."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

TimeFormat = Literal["iso8601", "epoch_s", "epoch_ms", "epoch_us"]
Times = NDArray[np.int64]

EARLIEST_US = int(datetime(1900, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
LATEST_US = int(datetime(2200, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
_MICROSECONDS = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}
_UNREAD = np.iinfo(np.int64).min  # stands where no time could be read; never a valid time
_FEW = 24  # below this, text by text is faster than array by array
_EPOCH = datetime(1970, 1, 1)
_CACHED_OFFSETS = 100_000


class EventTimes:
    """Reads the event times of many rows at once.

    A time without an offset is in the declared zone. Where that zone's clock is put back, an hour comes
    twice: the first of the two is meant. Where it is put forward, an hour is left out: such a time is read
    as if the clock had not been changed yet (02:30 means 03:30). Both as `fold=0` of PEP 495.
    """

    def __init__(self, time_format: TimeFormat, time_zone: str) -> None:
        self._format = time_format
        self._zone = None if time_zone in {"UTC", "Etc/UTC"} else ZoneInfo(time_zone)
        self._offsets: dict[int, int] = {}

    def read(self, cells: Sequence[object]) -> tuple[Times, dict[int, str]]:
        """n cells: text, numbers, or None.

        Returns:
            (n,) int64 microseconds since 1970 UTC, 0 where there is none; and for each cell that is no time
            (also none between 1900 and 2200) its index and what was wrong with it. None counts as no time.
        """
        times = self._texts(cells) if self._format == "iso8601" else self._epochs(cells)
        bad = np.flatnonzero((times < EARLIEST_US) | (times >= LATEST_US))
        wrong = {i: self._explain(cells[i], int(times[i])) for i in bad.tolist()}
        times[bad] = 0
        return times, wrong

    def _explain(self, cell: object, time_us: int) -> str:
        shown = repr(cell)[:60]
        if time_us != _UNREAD:
            return f"{shown} is not between the years 1900 and 2200 (rows.time_format is {self._format})"
        if self._format == "iso8601" and not isinstance(cell, str):
            return f"{shown} is no text; rows.time_format iso8601 wants text, epoch_s, _ms and _us numbers"
        if self._format != "iso8601" and isinstance(cell, str):
            return f"{shown} is text; rows.time_format {self._format} wants a number, iso8601 text"
        return f"{shown} is no time of rows.time_format {self._format}"

    def _epochs(self, cells: Sequence[object]) -> Times:
        numbers = np.array([c if isinstance(c, float) else _number(c) for c in cells], np.float64)
        us = numbers * _MICROSECONDS[self._format]
        # Beyond ± 2**62 a float may not fit an int64; all of that is out of range in any case.
        us = np.where(np.isnan(us), _UNREAD, np.clip(us, -(2.0**62), 2.0**62))
        return np.rint(us).astype(np.int64)

    def _texts(self, cells: Sequence[object]) -> Times:
        times = np.full(len(cells), _UNREAD, np.int64)
        if len(cells) >= _FEW:
            if set(map(type, cells)) == {str}:
                lengths = np.array(list(map(len, cells)))  # type: ignore[arg-type]
            else:
                lengths = np.array([len(c) if isinstance(c, str) else -1 for c in cells])
            for length in np.unique(lengths).tolist():
                rows = np.flatnonzero(lengths == length)
                if length >= 19 and len(rows) >= _FEW:
                    texts = [str(cells[i]) for i in rows.tolist()] if len(rows) < len(cells) else cells
                    times[rows] = self._same_length(texts, length)
        for i in np.flatnonzero(times == _UNREAD).tolist():
            times[i] = self._one(cells[i])
        return times

    def _one(self, cell: object) -> int:
        if not isinstance(cell, str):
            return _UNREAD
        try:
            moment = datetime.fromisoformat(cell.strip())
        except ValueError:
            return _UNREAD
        offset = moment.utcoffset()
        local_us = (moment.replace(tzinfo=None) - _EPOCH) // timedelta(microseconds=1)
        if offset is None:
            return int(self._from_local(np.array([local_us]))[0])
        return local_us - offset // timedelta(microseconds=1)

    def _same_length(self, cells: Sequence[object], length: int) -> Times:
        """Texts of one length, read column by column; `_UNREAD` for each that is not of the usual shape."""
        text = "".join(cells).encode("ascii", "replace")  # type: ignore[arg-type]
        columns = np.ascontiguousarray(np.frombuffer(text, np.uint8).reshape(len(cells), length).T)
        tail = _tail(text[19:length])
        if tail is None:
            return np.full(len(cells), _UNREAD, np.int64)
        shape = "dddd-dd-dd" + chr(text[10]) + "dd:dd:dd" + tail
        good = np.full(len(cells), text[10] in b"T ")
        for column, wanted in zip(columns, shape, strict=True):
            good &= column - np.uint8(48) < 10 if wanted == "d" else column == ord(wanted)
        digits = (columns - np.uint8(48)).astype(np.int64)
        return np.where(good, self._assemble(digits, tail, good), _UNREAD)

    def _assemble(self, d: Times, tail: str, good: NDArray[np.bool_]) -> Times:
        """(length, n) digits → (n,) microseconds UTC; takes from `good` what no calendar has."""
        year, month, day = _join(d[0:4]), _join(d[5:7]), _join(d[8:10])
        hour, minute, second = _join(d[11:13]), _join(d[14:16]), _join(d[17:19])
        start = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
        length = ((start + 1).astype("datetime64[D]") - start.astype("datetime64[D]")).astype(np.int64)
        good &= (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= length)
        good &= (hour < 24) & (minute < 60) & (second < 60)
        days = start.astype("datetime64[D]").astype(np.int64) + day - 1
        local = (((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000_000
        zone = tail.lstrip(".d")
        if len(zone) < len(tail):
            fraction = d[20 : 19 + len(tail) - len(zone)][:6]
            local += _join(fraction) * 10 ** (6 - len(fraction))
        if zone in {"Z", ""}:
            return local if zone else self._from_local(np.where(good, local, 0))
        off_hour, off_minute = _join(d[-5:-3]), _join(d[-2:])
        good &= (off_hour < 24) & (off_minute < 60)
        sign = -1 if zone[0] == "+" else 1
        return local + sign * (off_hour * 60 + off_minute) * 60_000_000

    def _from_local(self, local_us: Times) -> Times:
        """The declared zone's wall clock → UTC. Its offset is looked up once a minute of wall clock."""
        if self._zone is None:
            return local_us
        minutes, which = np.unique(local_us // 60_000_000, return_inverse=True)
        return local_us - np.array([self._offset(m) for m in minutes.tolist()], np.int64)[which]

    def _offset(self, minute: int) -> int:
        known = self._offsets.get(minute)
        if known is None:
            offset = (_EPOCH + timedelta(minutes=minute)).replace(tzinfo=self._zone).utcoffset()
            assert offset is not None
            if len(self._offsets) >= _CACHED_OFFSETS:
                self._offsets.clear()
            known = self._offsets[minute] = offset // timedelta(microseconds=1)
        return known


def _number(cell: object) -> float:
    """NaN for everything that is no number; a whole number too large for a float is infinite."""
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        return np.nan
    try:
        return float(cell)
    except OverflowError:
        return np.inf


def _join(digits: Times) -> Times:
    """(k, n) digits → (n,) numbers."""
    number: Times = digits[0].copy()
    for digit in digits[1:]:
        number *= 10
        number += digit
    return number


def _tail(first: bytes) -> str | None:
    """What follows the seconds, as a shape: fraction, then `Z`, an offset or nothing; None: anything else."""
    text = first.decode("ascii")
    shape = ""
    if text[:1] == ".":
        fraction = len(text[1:]) - len(text[1:].lstrip("0123456789"))
        shape, text = "." + "d" * fraction, text[1 + fraction :]
        if fraction not in {3, 6}:
            return None
    if text in {"", "Z"}:
        return shape + text
    return shape + text[0] + "dd:dd" if len(text) == 6 and text[0] in "+-" else None
