"""Forecasts without Kafka: the rows or windows of a file through what the stream is made of."""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.text import Text

from foretell.config import Settings
from foretell.errors import ConfigError, InputError
from foretell.forecasting.forecaster import Forecaster
from foretell.forecasting.forecasts import Forecasts
from foretell.rows.event_time import LATEST_US
from foretell.rows.reasons import Reason
from foretell.rows.table import Row, json_lines, read_table
from foretell.stream.messages.blocks import Incoming
from foretell.stream.worker.pipeline import Pipeline

_NAMED = 20
_WINDOWS = 4096


class BadRows:
    """What could not be used: the first ones are named on stderr, all are counted."""

    def __init__(self) -> None:
        self.rows = 0
        self._reasons: Counter[str] = Counter()
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)

    @property
    def total(self) -> int:
        return self._reasons.total()

    def add(self, place: str, reason: str, message: str) -> None:
        self._reasons[reason] += 1
        if self.total <= _NAMED:
            self._console.print(Text(f"{place}: {reason}: {message}"))

    def notice(self, text: str) -> None:
        self._console.print(Text(text))

    def summarize(self) -> None:
        """One line, when there is anything to say."""
        if self.total:
            counts = ", ".join(f"{reason} {count}" for reason, count in self._reasons.most_common())
            self._console.print(Text(f"{self.total} of {self.rows} rows were bad: {counts}"))


@dataclass(slots=True)
class _Line:
    """A row of a file where a record of a topic is expected; its offset is its number in the file."""

    number: int
    json: bytes

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self.number

    def timestamp(self) -> tuple[int, int]:
        # A file does not say when its rows came, so that none of them can be ahead of its time.
        return 0, LATEST_US // 1000

    def key(self) -> None:
        return None

    def value(self) -> bytes:
        return self.json

    def headers(self) -> None:
        return None


def forecast_rows(
    path: Path, settings: Settings, forecaster: Forecaster, bad: BadRows, *, plain: bool
) -> Iterator[bytes]:
    """Forecast messages of the rows of a file, in the order of the rows that they are due to.

    Args:
        path: as in `read_table`; `-` is JSON lines from stdin.
        plain: the shape of messages that foretell has by itself, whatever template the settings hold.
    """
    for name in ("series", "timestamp"):
        if getattr(settings.rows, name) is None:
            raise ConfigError(
                f"rows.{name} is null, but the rows of a file have no record to take it from",
                cure=f"name the field: rows.{name}",
            )
    if plain:
        own = settings.stream.model_copy(update={"forecast": None})
        settings = settings.model_copy(update={"stream": own})
    pipeline = Pipeline(settings, forecaster)
    rows = json_lines(sys.stdin.buffer) if str(path) == "-" else read_table(path, pipeline.number_fields)
    while block := list(islice(rows, settings.stream.block_rows)):
        yield from _forecast_block(pipeline, block, bad)


def _forecast_block(pipeline: Pipeline, block: Sequence[Row], bad: BadRows) -> Iterator[bytes]:
    bad.rows += len(block)
    out = pipeline.take(Incoming.of("file", [_Line(number, row) for number, row in block]))
    for _, _, headers in out.dead_letters:
        said = {name: value.decode() for name, value in headers}
        line = said["foretell-origin"].rpartition("/")[2]
        bad.add(f"line {line}", said["foretell-error-reason"], said["foretell-error-message"])
    for notice in pipeline.notices:
        bad.notice(notice)
    pipeline.notices.clear()
    for _, message, _ in out.forecasts:
        yield message


def forecast_windows(
    path: Path, forecaster: Forecaster, horizon: int | None, bad: BadRows
) -> Iterator[Forecasts]:
    """Forecasts of an array of windows (n, lookback, features), own units, some thousands at a time."""
    windows = _load(path)
    bad.rows = len(windows)
    for start in range(0, len(windows), _WINDOWS):
        forecasts = forecaster.predict(np.asarray(windows[start : start + _WINDOWS], np.float64), horizon)
        for i in np.flatnonzero(forecasts.refused).tolist():
            message = "it holds NaN or an infinity, or the answer to it did"
            bad.add(f"window {start + i}", Reason.ENGINE_ERROR.word, message)
        yield forecasts


def window_messages(chunks: Iterable[Forecasts], targets: Sequence[str]) -> Iterator[bytes]:
    """As messages: the window's number from 0 stands where a row's would name series and time."""
    number = -1
    for forecasts in chunks:
        for values, steps in zip(forecasts.values, forecasts.steps.tolist(), strict=True):
            number += 1
            if steps:
                forecast = dict(zip(targets, values[:steps].T.tolist(), strict=True))
                told = {"window": number, "forecast": forecast, "native_steps": forecasts.native_steps}
                yield msgspec.json.encode(told)


def _load(path: Path) -> NDArray[Any]:
    try:
        windows: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist", cure="check the path") from None
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} is no .npy array of numbers: {error}") from None
    if windows.dtype.kind not in "fiu":
        raise InputError(f"{path} holds {windows.dtype}, numbers are wanted")
    return windows
