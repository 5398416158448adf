"""What came of an import: the bundle, and all that the person who imports should know."""

from dataclasses import dataclass

from foretell.bundle.bundle import Bundle
from foretell.bundle.manifest import Manifest
from foretell.importers.hints import Suggestion


@dataclass(frozen=True)
class Lack:
    """Something that neither files nor flags said: what follows from that, and what would say it."""

    what: str
    consequence: str
    cure: str


@dataclass(frozen=True)
class Imported:
    """Attributes:
    bundle: written and verified.
    difference: the worst between the bundle's network and its source, as a share of an output's range.
    notes: what was taken for granted. lacks: what is still missing.
    suggestion: lines of adapter.yaml, where something about rows or units should be declared.
    """

    bundle: Bundle
    difference: float
    notes: tuple[str, ...]
    lacks: tuple[Lack, ...]
    suggestion: Suggestion | None

    @property
    def manifest(self) -> Manifest:
        return self.bundle.manifest
