"""The stream at a glance: a live line on a terminal, a line in the log every few seconds elsewhere."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.live import Live
from rich.text import Text

from foretell.stream.supervision.status import StreamStatus
from foretell.telemetry.metrics import DEAD_LETTERS, FORECASTS, LAG, LATENCY, ROWS

log = logging.getLogger("foretell.stream")
_EVERY_LIVE, _EVERY_LOG = 1.0, 10.0


@dataclass(frozen=True)
class Rates:
    """What happened between two statuses. Latencies in milliseconds, from a row's append to its commit."""

    rows_per_s: float
    forecasts_per_s: float
    lag: int
    p50_ms: float | None
    p99_ms: float | None
    dead_letters: dict[str, int]

    @classmethod
    def between(cls, then: StreamStatus, now: StreamStatus) -> "Rates":
        seconds = max(now.at - then.at, 1e-9)
        new, old = now.figures, then.figures
        p50, p99 = (new.quantile(LATENCY, share, since=old) for share in (0.5, 0.99))
        return cls(
            rows_per_s=round((new.value(ROWS) - old.value(ROWS)) / seconds, 1),
            forecasts_per_s=round((new.value(FORECASTS) - old.value(FORECASTS)) / seconds, 1),
            lag=int(new.total(LAG)),
            p50_ms=_milliseconds(p50),
            p99_ms=_milliseconds(p99),
            dead_letters={word: int(count) for word, count in new.by_label(DEAD_LETTERS).items()},
        )


def _milliseconds(seconds: float | None) -> float | None:
    """`None` above the last bucket: those are old rows, and the figure would be the bucket's."""
    return None if seconds is None or seconds >= LATENCY.bounds[-1] else round(seconds * 1000, 1)


Show = Callable[[StreamStatus], None]


@contextmanager
def show(console: Console | None = None) -> Iterator[Show]:
    """Gives what a status is to be handed to, as often as one likes."""
    console = console or Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield Paced(_EVERY_LOG, _log)
        return
    # Lines of the log go above the live one: `Live` takes sys.stderr over.
    with Live(console=console, auto_refresh=False) as live:
        yield Paced(_EVERY_LIVE, lambda now, rates: live.update(line(now, rates), refresh=True))


class Paced:
    """Passes a status on with what happened since the last one, at most every so many seconds."""

    def __init__(self, every: float, tell: Callable[[StreamStatus, Rates], None]) -> None:
        self._every, self._tell = every, tell
        self._last: StreamStatus | None = None

    def __call__(self, now: StreamStatus) -> None:
        if self._last is None:
            self._last = now
        elif now.at - self._last.at >= self._every:
            self._tell(now, Rates.between(self._last, now))
            self._last = now


def line(now: StreamStatus, rates: Rates) -> Text:
    """For a terminal."""
    parts: list[tuple[str, str]] = [
        (f"{rates.rows_per_s:,.0f} rows/s", "bold"),
        (f"{rates.forecasts_per_s:,.0f} forecasts/s", "bold green"),
        (f"lag {rates.lag:,}", ""),
    ]
    if rates.p50_ms is not None and rates.p99_ms is not None:
        parts.append((f"p50 {rates.p50_ms:,.0f} ms  p99 {rates.p99_ms:,.0f} ms", ""))
    if rates.dead_letters:
        by_count = sorted(rates.dead_letters.items(), key=lambda item: -item[1])
        parts.append(("dead letters " + ", ".join(f"{n:,} {word}" for word, n in by_count), "yellow"))
    parts.append((f"{now.workers}/{now.wanted} workers", "" if now.workers == now.wanted else "yellow"))
    if now.note:
        parts.append((now.note, "" if now.healthy else "red"))
    text = Text("  ", overflow="ellipsis", no_wrap=True)
    return text.append_text(Text("   ").join(Text(words, style) for words, style in parts))


def _log(now: StreamStatus, rates: Rates) -> None:
    told = {name: value for name, value in vars(rates).items() if value is not None}
    log.info(now.note or "forecasting", extra={**told, "workers": now.workers, "wanted": now.wanted})
