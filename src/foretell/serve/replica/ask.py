"""A call as it travels through a handle of Serve."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foretell.bundle.manifest import Manifest
from foretell.serve.backend import Answer, Outcome, Priority, Refusal

DOOR = "python"


@dataclass(frozen=True)
class Ask:
    """Its deadline is told from now, as clocks differ.

    Attributes:
        windows: (n, …) as the network's layout has them, own units.
    """

    model: str
    windows: NDArray[np.float64]
    priority: int = 0
    deadline_s: float | None = None

    def outcome(
        self, result: Answer | Refusal | None, seconds: float, manifests: Mapping[str, Manifest]
    ) -> Outcome:
        """What became of it, as the gate tells it of other doors. `result`: unset: the caller went away."""
        if isinstance(result, Answer):
            word = "engine" if result.refused.all() else "ok"
        else:
            word = result.reason if result else "cancelled"
        manifest = manifests.get(self.model)
        model, version = (manifest.name, manifest.version) if manifest else ("", "")
        return Outcome(DOOR, model, version, Priority(self.priority), word, seconds, len(self.windows))
