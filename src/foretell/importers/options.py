"""What a person says about a model beside its files."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ImportOptions:
    """Each wins over what the files say; `None` leaves it to them.

    Attributes:
        out: the bundle's folder; unset: `bundles/NAME` here.
        name: of the bundle; unset: that of the source.
        adapter: an adapter.yaml.
        step_s: seconds between two steps of a window.
        lookback, horizon: steps.
        features, targets: names, in the network's order.
    """

    out: Path | None = None
    name: str | None = None
    adapter: Path | None = None
    step_s: float | None = None
    lookback: int | None = None
    horizon: int | None = None
    features: tuple[str, ...] | None = None
    targets: tuple[str, ...] | None = None
