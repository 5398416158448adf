"""feature_adapter.pkl: somebody's own class, read as state; what it says beyond doubt becomes an adapter."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from foretell.errors import UnreadableFile
from foretell.importers.unpickle import Instance, read_pickle
from foretell.rows.adapter import Adapter, FeatureRule


@dataclass(frozen=True)
class OldAdapter:
    """The state of a pickled adapter.

    Attributes:
        of: its class. mapping: the model's name → the row's. defaults: what it put where a value was missing.
    """

    of: str
    mapping: Mapping[str, str]
    defaults: Mapping[str, float]

    def unknown(self, features: Sequence[str]) -> list[str]:
        """Features that it says nothing about."""
        known = set(self.mapping) | set(self.mapping.values()) | set(self.defaults)
        return [name for name in features if name not in known]

    def rules(self, features: Sequence[str]) -> Adapter:
        """Its mapping for these features; one that names itself needs no rule.

        Defaults are left out: a number of unknown unit must not stand in for a value without being asked for.
        """
        renamed = {name: self.mapping[name] for name in features if self.mapping.get(name, name) != name}
        return Adapter({name: FeatureRule(field=row) for name, row in renamed.items()})


def read_old_adapter(data: bytes, file: str) -> OldAdapter:
    """Read it without its class.

    Raises:
        UnsafePickle: to be read, something would have to be called.
        UnreadableFile: its state is not two dictionaries, `feature_mapping` and `defaults`.
    """
    value = read_pickle(data, file)
    state = value.state if isinstance(value, Instance) else value
    of = str(value.of) if isinstance(value, Instance) else type(value).__name__
    mapping = _dictionary(state, "feature_mapping", str, file)
    defaults = _dictionary(state, "defaults", (int, float), file)
    return OldAdapter(of, mapping, {name: float(value) for name, value in defaults.items()})


def _dictionary(state: Any, key: str, kind: type | tuple[type, ...], file: str) -> Mapping[str, Any]:
    found = state.get(key, {}) if isinstance(state, dict) else None
    if not isinstance(found, dict) or not all(
        isinstance(k, str) and isinstance(v, kind) for k, v in found.items()
    ):
        raise UnreadableFile(
            f"{file}: its {key} is no dictionary of names",
            cure="write an adapter.yaml and import with --adapter; then this file is not needed",
        )
    return found
