"""Rows as the world sends them: good, late, twice, out of order, and broken in every way."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count

HOUR_MS = 3_600_000
START_MS = 1_356_998_400_000  # 2013-01-01T00:00:00Z
PARTITIONS = 4
STATIONS = 200
LOOKBACK = 7
FEATURES = ("temperature", "wind_speed", "dewpoint")
TOO_HOT = 9_999.0  # outside of what the bundle was trained on
TOO_LARGE = 1e300  # finite as a row, infinite to the network

Values = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A record of the input, and what its maker knows of it.

    Attributes:
        broken: reason for which no window ever sees it; empty where one does.
        time_us, values: what a window sees.
    """

    partition: int
    key: bytes
    value: bytes | None
    timestamp_ms: int
    station: str
    broken: str
    time_us: int
    values: Values


@dataclass
class Station:
    """Where one series stands."""

    name: str
    partition: int
    sent: dict[int, Values] = field(default_factory=dict)  # by hour
    missed: list[int] = field(default_factory=list)
    held: int | None = None  # an hour that comes after the next


class Source:
    """The same seed makes the same rows.

    About one row in ten is broken, and as many are late, told twice or told otherwise.
    """

    def __init__(self, seed: int, *, reject: bool) -> None:
        """`reject`: whether the stream under test has `out_of_range: reject`."""
        self._random = random.Random(seed)
        self._reject = reject

    def rows(self) -> Iterator[Row]:
        """Without end, a generation after the other."""
        for number in count():
            yield from self.generation(number)

    def generation(self, number: int, hours: int = 240) -> Iterator[Row]:
        """Some 50,000 rows of 200 series that no other generation has."""
        stations = [Station(f"g{number}s{i}", i % PARTITIONS) for i in range(STATIONS)]
        first = number * hours
        for hour in range(first, first + hours):
            self._random.shuffle(stations)
            for station in stations:
                yield from self._hour(station, hour)

    def _hour(self, station: Station, hour: int) -> Iterator[Row]:
        draw = self._random.random()
        if draw < 0.02:
            station.missed.append(hour)
            return
        if draw < 0.03 and station.held is None:
            station.held = hour
            return
        yield self._good(station, hour, hour, self._weather())
        if station.held is not None:
            yield self._good(station, station.held, hour, self._weather())
            station.held = None
        yield from self._unusual(station, hour)

    def _unusual(self, station: Station, hour: int) -> Iterator[Row]:
        draw = self._random.random()
        recent = [h for h in station.sent if h > hour - LOOKBACK]
        if draw < 0.02:
            again = self._random.choice(recent)
            yield self._good(station, again, hour, station.sent[again])
        elif draw < 0.04:
            yield self._good(station, self._random.choice(recent), hour, self._weather())
        elif draw < 0.06 and station.missed:
            yield self._good(station, station.missed.pop(), hour, self._weather())
        elif draw < 0.07:
            yield self._good(station, hour - LOOKBACK - self._random.randrange(20), hour, self._weather())
        elif draw < 0.08:
            yield self._good(station, hour + 2 + self._random.randrange(50), hour, self._weather())
        elif draw < 0.17:
            yield self._broken(station, hour)
        elif draw < 0.171:
            yield self._good(station, hour, hour, (TOO_LARGE, *self._weather()[1:]))

    def _weather(self) -> Values:
        return tuple(round(self._random.gauss(50.0, 10.0), 2) for _ in FEATURES)

    def _good(self, station: Station, hour: int, now: int, values: Values) -> Row:
        """A row of `hour` that arrives in the hour `now`."""
        outside = any(abs(value - 50.0) > 80.0 for value in values)
        if hour <= now and not (outside and self._reject):
            station.sent[hour] = values
        value = json.dumps(self._fields(station, hour, values)).encode()
        return self._row(
            station, value, now, "out_of_range" if outside and self._reject else "", hour, values
        )

    def _broken(self, station: Station, hour: int) -> Row:
        """One that no window sees, whatever came before."""
        values = self._weather()
        fields = self._fields(station, hour, values)
        whole = json.dumps(fields).encode()
        name = self._random.choice(FEATURES)
        ways: list[tuple[str, list[bytes | None]]] = [
            ("not_json", [None, b"", b"{", whole[:-1], b"\xff\xfe" + whole, b"temperature=3"]),
            ("not_an_object", [b"[" + whole + b"]", b"null", b"17", b'"warm"', b"true"]),
            ("missing_field", [_json(fields, **{name: None}), _json(fields, timestamp=None)]),
            ("missing_field", [json.dumps({k: v for k, v in fields.items() if k != name}).encode()]),
            ("wrong_type", [_json(fields, **{name: v}) for v in ("warm", "3.5", True, [1.0], {"c": 1.0})]),
            ("not_finite", [_json(fields, **{name: float(v)}) for v in ("nan", "inf", "-inf")]),
            ("no_series", [_json(fields, station=None), _json(fields, station="")]),
            ("no_series", [_json(fields, station="x" * 300)]),
            (
                "bad_timestamp",
                [_json(fields, timestamp=v) for v in ("yesterday", "2013-13-01T00:00:00Z", 17)],
            ),
            ("out_of_range", [_json(fields, **{name: TOO_HOT})]),
        ]
        if not self._reject:
            ways.pop()
        reason, values_of_it = self._random.choice(ways)
        return self._row(station, self._random.choice(values_of_it), hour, reason, hour, ())

    def _fields(self, station: Station, hour: int, values: Values) -> dict[str, object]:
        time = f"{_iso(hour)}" + self._random.choice(("Z", "+00:00", ""))
        return {"station": station.name, "timestamp": time, **dict(zip(FEATURES, values, strict=True))}

    def _row(
        self, station: Station, value: bytes | None, now: int, broken: str, hour: int, values: Values
    ) -> Row:
        return Row(
            partition=station.partition,
            key=station.name.encode(),
            value=value,
            timestamp_ms=START_MS + now * HOUR_MS + self._random.randrange(HOUR_MS),
            station=station.name,
            broken=broken,
            time_us=(START_MS + hour * HOUR_MS) * 1000,
            values=values,
        )


def _json(fields: dict[str, object], **otherwise: object) -> bytes:
    return json.dumps(fields | otherwise).encode()


def _iso(hour: int) -> str:
    return datetime.fromtimestamp((START_MS + hour * HOUR_MS) / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
