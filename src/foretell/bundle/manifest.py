"""bundle.json: all that is needed to forecast, and nothing that runs."""

from math import ceil, log10
from typing import Literal

import msgspec

from foretell.bundle.scaling import Scaling
from foretell.rows.adapter import Adapter

FORMAT = 1
MANIFEST, MODEL, GOLDEN = "bundle.json", "model.onnx", "golden.npz"


class Column(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An input or a target.

    Attributes:
        name: as the model's maker called it.
        unit: what the numbers are in, when it is known.
        center, spread: mean and standard deviation in training, own units, when the scaler tells.
        low, high: least and greatest value in training, own units, when the scaler tells.
    """

    name: str
    unit: str | None = None
    center: float | None = None
    spread: float | None = None
    low: float | None = None
    high: float | None = None

    def bounds(self) -> tuple[float, float] | None:
        """The range that the model has seen: low to high, or center ± 4 spreads; `None` when unknown."""
        if self.low is not None and self.high is not None:
            return self.low, self.high
        if self.center is not None and self.spread is not None:
            return self.center - 4 * self.spread, self.center + 4 * self.spread
        return None

    def decimals(self) -> int | None:
        """Digits behind the point that say it to within 5e-8 of its range: below what a network resolves in
        float32; `None` when the range is unknown."""
        bounds = self.bounds()
        width = bounds[1] - bounds[0] if bounds else 0.0
        return None if width <= 0 else int(8 - ceil(log10(width)))

    def trained_on(self) -> str | None:
        """`50.3 ± 20.3`, or `-1 to 30.9`; `None` when unknown."""
        if self.center is not None and self.spread is not None:
            return f"{self.center:.4g} ± {self.spread:.3g}"
        if self.low is not None and self.high is not None:
            return f"{self.low:.4g} to {self.high:.4g}"
        return None


class Output(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An output of the network: its name in the graph, and its shape without the batch."""

    name: str
    shape: tuple[int, ...]


class FileEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of the bundle: bytes, and SHA-256 in hexadecimal."""

    size: int
    sha256: str


class Provenance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where it came from: the source's files by name, what wrote them, and what was taken for granted."""

    files: dict[str, FileEntry]
    made_by: str
    notes: tuple[str, ...] = ()


class Meaning(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the network's numbers mean; with the network itself it decides the version.

    Attributes:
        layout: what a window looks like to the network: (lookback, features), or channels first.
        lookback, horizon: steps. step_s: seconds, `None` for sequence windows.
        outputs: of the network; a forecast model's first holds horizon × targets numbers, step by step.
        input_scaling, target_scaling: `None` where the network takes, or gives, own units.
        tolerance: of the golden sample, as a share of each output's range.
    """

    task: Literal["forecast", "features"]
    inputs: tuple[Column, ...]
    targets: tuple[Column, ...]
    lookback: int
    horizon: int
    step_s: float | None
    layout: Literal["time_first", "channels_first"]
    outputs: tuple[Output, ...]
    input_scaling: Scaling | None
    target_scaling: Scaling | None
    adapter: Adapter
    tolerance: float

    @property
    def input_shape(self) -> tuple[int, int]:
        """A window as the network reads it: (lookback, features), or (features, lookback)."""
        time_first = self.lookback, len(self.inputs)
        return time_first if self.layout == "time_first" else time_first[::-1]


class Manifest(Meaning, frozen=True, forbid_unknown_fields=True):
    """See the module; a test stands behind each field.

    Attributes:
        format: of this file; a newer one than `FORMAT` is refused.
        version: 12 hexadecimal digits, derived from network and meaning (not from `created` or `name`).
        created: ISO 8601, UTC.
        files: of the folder, by plain name.
    """

    format: int
    name: str
    version: str
    created: str
    files: dict[str, FileEntry]
    provenance: Provenance
