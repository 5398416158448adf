"""The layout of a row: which fields are wanted, as a typed JSON decoder and as columns."""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

import msgspec

from foretell.errors import ConfigError

_Tree = dict[str, "_Tree | Any"]


class Layout:
    """Decodes only the fields that are wanted, checks their types on the way, and skips the rest.

    Args:
        types: dotted path → the type that `msgspec` checks, each of them with None: a field that is absent
            reads as None.

    Raises:
        ConfigError: a path is empty, or lies inside another one that is wanted too.
    """

    def __init__(self, types: Mapping[str, Any]) -> None:
        self.types = dict(types)
        self._root = _Node("Row", _tree(types), "")
        self.decoder = msgspec.json.Decoder(self._root.type)
        self.blank: msgspec.Struct = self._root.blank

    def columns(self, rows: Sequence[Any]) -> dict[str, list[Any]]:
        """n decoded rows → n values by dotted path."""
        found: dict[str, list[Any]] = {}
        self._root.collect(rows, found)
        return found


class _Node:
    """An object of the row: a struct type for it, and how its fields come out as columns."""

    def __init__(self, name: str, tree: _Tree, prefix: str) -> None:
        self._leaves: list[tuple[str, str]] = []
        self._nodes: list[tuple[str, _Node]] = []
        fields: list[tuple[str, Any, Any]] = []
        rename: dict[str, str] = {}
        for i, (key, wanted) in enumerate(tree.items()):
            attribute = f"f{i}"  # a key of JSON need not be a name of Python
            rename[attribute] = key
            if isinstance(wanted, dict):
                node = _Node(f"{name}_{i}", wanted, f"{prefix}{key}.")
                self._nodes.append((attribute, node))
                wanted = node.type | None
            else:
                self._leaves.append((attribute, prefix + key))
            fields.append((attribute, wanted, None))
        # Decoded values hold no cycles, so the garbage collector need not walk thousands of rows.
        self.type: Any = msgspec.defstruct(name, fields, rename=rename, gc=False)
        self.blank: Any = self.type()

    def collect(self, rows: Sequence[Any], found: dict[str, list[Any]]) -> None:
        for attribute, path in self._leaves:
            found[path] = list(map(attrgetter(attribute), rows))
        for attribute, node in self._nodes:
            inner = map(attrgetter(attribute), rows)
            node.collect([node.blank if row is None else row for row in inner], found)


def _tree(types: Mapping[str, Any]) -> _Tree:
    root: _Tree = {}
    for path, wanted in types.items():
        *parents, last = path.split(".")
        if not all((*parents, last)):
            raise ConfigError(f"field path {path!r} has an empty part", cure="write it as in `wind.speed`")
        here = root
        for i, part in enumerate(parents, 1):
            inner = here.setdefault(part, {})
            if not isinstance(inner, dict):
                raise _overlap(".".join(parents[:i]))
            here = inner
        if last in here:
            raise _overlap(path)
        here[last] = wanted
    return root


def _overlap(path: str) -> ConfigError:
    return ConfigError(
        f"field {path} is wanted whole, and a field inside it too",
        cure="name the fields inside it one by one",
    )
