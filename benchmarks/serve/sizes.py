"""How much is measured of the request door: all; enough to see where it goes; enough to see that it runs."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """
    Attributes:
        repeats: of each measurement that is compared with another; servers start anew for each.
        seconds: one measurement under load. warm_s: before it, and not counted.
        connections: of the load, rising. peers: whether other makers' servers are measured too.
        offered_s: an overload. turn_s: one turn of a batching policy. turns: of each.
        batch_sizes, waits_ms: of the fixed policies that adaptive batching is held against.
        callers: at once, for each sweep. waiting: works in a queue whose decisions are timed.
        replicas: of the fleets that are compared.
    """

    name: str
    repeats: int
    seconds: float
    warm_s: float
    connections: tuple[int, ...]
    peers: bool
    offered_s: float
    turn_s: float
    turns: int
    batch_sizes: tuple[int, ...]
    waits_ms: tuple[float, ...]
    callers: tuple[int, ...]
    waiting: tuple[int, ...]
    replicas: tuple[int, ...]


FULL = Sizes(
    "full",
    repeats=3,
    seconds=3.0,
    warm_s=1.0,
    connections=(1, 8, 32, 128),
    peers=True,
    offered_s=10.0,
    turn_s=0.3,
    turns=5,
    batch_sizes=(1, 8, 32, 128),
    waits_ms=(0.0, 1.0, 5.0),
    callers=(1, 16, 64),
    waiting=(10, 100, 1_000, 10_000),
    replicas=(1, 2),
)
QUICK = Sizes(
    "quick",
    repeats=1,
    seconds=2.0,
    warm_s=0.5,
    connections=(1, 32),
    peers=True,
    offered_s=5.0,
    turn_s=0.2,
    turns=3,
    batch_sizes=(1, 32, 128),
    waits_ms=(0.0, 2.0),
    callers=(1, 64),
    waiting=(10, 1_000, 10_000),
    replicas=(1, 2),
)
TINY = Sizes(
    "tiny",
    repeats=1,
    seconds=0.3,
    warm_s=0.1,
    connections=(1, 4),
    peers=False,
    offered_s=0.5,
    turn_s=0.05,
    turns=1,
    batch_sizes=(1, 8),
    waits_ms=(0.0,),
    callers=(1, 4),
    waiting=(10, 100),
    replicas=(1,),
)
SIZES = {sizes.name: sizes for sizes in (FULL, QUICK, TINY)}
