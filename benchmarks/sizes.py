"""How much is measured: all; enough to see where it goes; enough to see that it runs."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """
    Attributes:
        repeats: of each measurement that is compared with another.
        engine_s: one measurement of an engine. engine_repeats: of those, for each batch.
        rows: of the stream's backlog. peer_rows: as many of them as the peer gets through in a like time.
        block_rows: sizes of a transaction that are tried.
        offered_s: rows are offered at a steady rate for so long. settle_s: before that, and not counted.
        series: numbers of series that are held in memory, rising.
        kills: of a worker.
    """

    name: str
    repeats: int
    engine_s: float
    engine_repeats: int
    rows: int
    peer_rows: int
    block_rows: tuple[int, ...]
    offered_s: float
    settle_s: float
    series: tuple[int, ...]
    kills: int

    @property
    def has_peers(self) -> bool:
        return self.peer_rows > 0


FULL = Sizes(
    "full",
    repeats=3,
    engine_s=0.2,
    engine_repeats=15,
    rows=400_000,
    peer_rows=60_000,
    block_rows=(4_000, 8_000, 16_000),
    offered_s=30.0,
    settle_s=8.0,
    series=(100_000, 1_000_000),
    kills=3,
)
QUICK = Sizes(
    "quick",
    repeats=2,
    engine_s=0.1,
    engine_repeats=7,
    rows=200_000,
    peer_rows=30_000,
    block_rows=(4_000, 16_000),
    offered_s=15.0,
    settle_s=5.0,
    series=(100_000,),
    kills=2,
)
TINY = Sizes(
    "tiny",
    repeats=1,
    engine_s=0.01,
    engine_repeats=1,
    rows=4_000,
    peer_rows=0,
    block_rows=(1_000,),
    offered_s=1.0,
    settle_s=0.5,
    series=(2_000,),
    kills=1,
)
SIZES = {sizes.name: sizes for sizes in (FULL, QUICK, TINY)}
