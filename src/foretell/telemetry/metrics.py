"""Every figure that foretell exports: one table of names."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """As Prometheus has them."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True)
class Metric:
    """A line of the table.

    Attributes:
        name: as Prometheus sees it on /metrics; through Ray it has `ray_` before it.
        label: the one label that it may have, or several with commas between; values likewise.
        most: values of the label that are kept apart; further ones are counted together as `other`.
        bounds: upper bounds of a histogram's buckets, rising, without infinity.
        same: of a gauge that each process tells of all: of several the largest counts, not their sum.
    """

    name: str
    kind: Kind
    help: str
    label: str | None = None
    most: int = 64
    bounds: tuple[float, ...] = ()
    same: bool = False

    def tags(self, label: str) -> dict[str, str]:
        """Names and values of its labels. What is counted as `other` is that in all of them."""
        names = self.label.split(",") if self.label else []
        values = label.split(",")
        return dict(zip(names, values if len(values) == len(names) else values[:1] * len(names), strict=True))


def decades(low: int, high: int, steps: int) -> tuple[float, ...]:
    """Bounds from 10**low to 10**high, `steps` to each power of ten, of two digits."""
    return tuple(float(f"{10 ** (low + i / steps):.1e}") for i in range((high - low) * steps + 1))


SECONDS = decades(-3, 2, 10)  # a quantile read from it is off by a tenth at most

ROWS = Metric("foretell_stream_rows_total", Kind.COUNTER, "Rows whose outcome is committed, bad ones too.")
FORECASTS = Metric("foretell_stream_forecasts_total", Kind.COUNTER, "Forecasts committed, revisions too.")
REVISIONS = Metric(
    "foretell_stream_revisions_total", Kind.COUNTER, "Forecasts issued again: a better row came."
)
DEAD_LETTERS = Metric(
    "foretell_stream_dead_letters_total", Kind.COUNTER, "Rows that cannot be used.", label="reason"
)
SAME_ROWS = Metric("foretell_stream_same_rows_total", Kind.COUNTER, "Rows dropped: their values were there.")
FILLED = Metric("foretell_stream_filled_slots_total", Kind.COUNTER, "Slots of windows filled by policy.")
OUT_OF_RANGE = Metric(
    "foretell_stream_out_of_range_total", Kind.COUNTER, "Values far from those trained on.", label="feature"
)
LAG = Metric("foretell_stream_lag", Kind.GAUGE, "Rows not yet committed.", label="partition", most=4096)
SERIES = Metric("foretell_stream_series", Kind.GAUGE, "Series whose windows are held.")
LATENCY = Metric(
    "foretell_stream_latency_seconds",
    Kind.HISTOGRAM,
    "From a row's timestamp in Kafka to the commit of its forecast.",
    bounds=SECONDS,
)
COMMIT = Metric("foretell_stream_commit_seconds", Kind.HISTOGRAM, "Commit of a transaction.", bounds=SECONDS)
BLOCK = Metric("foretell_stream_block_rows", Kind.HISTOGRAM, "Rows a transaction.", bounds=decades(0, 5, 3))
TRANSACTIONS = Metric(
    "foretell_stream_transactions_total", Kind.COUNTER, "Transactions: committed, aborted.", label="outcome"
)
RESTORES = Metric("foretell_stream_restores_total", Kind.COUNTER, "Partitions whose windows were restored.")
RESTORE = Metric(
    "foretell_stream_restore_seconds",
    Kind.HISTOGRAM,
    "Restore of the windows of the partitions that were assigned.",
    bounds=SECONDS,
)
WORKERS = Metric("foretell_stream_workers", Kind.GAUGE, "Workers that answer.")
RESTARTS = Metric(
    "foretell_stream_worker_restarts_total", Kind.COUNTER, "Workers replaced: died, stalled.", label="cause"
)

TABLE = (
    ROWS,
    FORECASTS,
    REVISIONS,
    DEAD_LETTERS,
    SAME_ROWS,
    FILLED,
    OUT_OF_RANGE,
    LAG,
    SERIES,
    LATENCY,
    COMMIT,
    BLOCK,
    TRANSACTIONS,
    RESTORES,
    RESTORE,
    WORKERS,
    RESTARTS,
)
