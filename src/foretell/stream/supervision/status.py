"""How the stream stands, for people to look at."""

from dataclasses import dataclass, field

from foretell.telemetry.meter import Snapshot


@dataclass(frozen=True)
class StreamStatus:
    """What the supervisor knows at one moment.

    Attributes:
        at: seconds of a monotonic clock.
        figures: added up over all workers since the start.
        workers, wanted: how many answer, and how many should.
        healthy: committed offsets advance, or lag is zero.
        note: what holds it up, in plain words; empty when nothing does.
    """

    at: float
    figures: Snapshot = field(default_factory=Snapshot)
    workers: int = 0
    wanted: int = 0
    healthy: bool = True
    note: str = ""
