"""adapter.yaml: read with the line of each entry at hand, so that an error can say where it is."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml

from foretell.errors import AdapterError
from foretell.rows.adapter import Adapter, FeatureRule, Source
from foretell.rows.features import problems

MOST_BYTES = 1_000_000


def load_adapter(path: Path, features: Sequence[str]) -> Adapter:
    """Read and check adapter.yaml for a model with these features.

    Raises:
        AdapterError: names the file, the line and the cure.
    """
    return parse_adapter(_text(path), features, str(path))


def parse_adapter(text: str, features: Sequence[str], file: str = "adapter.yaml") -> Adapter:
    """As `load_adapter`, from text."""
    document = _Document(text, file)
    adapter = Adapter({name: document.rule(name, tree) for name, tree in document.features().items()})
    for problem in problems(features, adapter):
        raise document.error(problem.where, problem.message, problem.cure)
    return adapter


def adapter_yaml(adapter: Adapter) -> str:
    """An adapter as the text that `load_adapter` reads."""
    tree: str = yaml.safe_dump(msgspec.to_builtins(adapter), sort_keys=False, allow_unicode=True)
    return tree


class _Document:
    """The YAML tree, once as values and once as nodes that know their lines."""

    def __init__(self, text: str, file: str) -> None:
        self._file = file
        loader = yaml.SafeLoader(text)
        try:
            self._node = loader.get_single_node()
            self._tree = loader.construct_document(self._node) if self._node else None
        except (yaml.YAMLError, RecursionError, ValueError) as error:
            raise self._unreadable(error) from None
        finally:
            loader.dispose()
        for key, node in _twice(self._node, set()):
            raise self._at(node, f"{key!r} stands twice", "keep one of the two")

    def features(self) -> dict[str, Any]:
        """The mapping under `features`; an empty file has none."""
        tree = {} if self._tree is None else self._tree
        if not isinstance(tree, dict):
            raise self.error((), "a mapping is wanted", "begin with `features:`")
        for key in tree:
            if key != "features":
                raise self.error((key,), f"there is no entry {key!r} here", "the only one is `features`")
        features = tree.get("features") or {}
        if not isinstance(features, dict) or not all(isinstance(name, str) for name in features):
            raise self.error(("features",), "a mapping from features to rules is wanted", _SHAPE)
        return features

    def rule(self, name: str, tree: Any) -> FeatureRule:
        where = ("features", name)
        if not isinstance(tree, dict):
            # Not the value itself: anchors in it may unfold to gigabytes.
            raise self.error(where, f"a rule is wanted, not a {type(tree).__name__}", _SHAPE)
        of = tree.get("of")
        if isinstance(of, dict):  # one by one, because msgspec does not name the key of a mapping
            tree = tree | {"of": {key: self._convert((*where, "of", key), of[key], Source) for key in of}}
        rule: FeatureRule = self._convert(where, tree, FeatureRule)
        return rule

    def _convert(self, where: tuple[object, ...], tree: Any, kind: type[Any]) -> Any:
        try:
            return msgspec.convert(tree, kind)
        except msgspec.ValidationError as error:
            message, _, at = str(error).partition(" - at `$.")
            key = at.rstrip("`")
            if "unknown field" in message:
                key = message.split("`")[-2]
                message = f"there is no entry {key!r} here"
            known = ", ".join(kind.__struct_fields__)
            raise self.error((*where, key) if key else where, message, f"entries: {known}") from None

    def error(self, where: tuple[object, ...], message: str, cure: str | None) -> AdapterError:
        """An error at the deepest entry of `where` that is in the file."""
        node = self._node
        for key in where:
            entries = node.value if isinstance(node, yaml.MappingNode) else []
            inner = [value for name, value in entries if name.value == key]
            if not inner:
                break
            node = inner[0]
        path = ".".join(map(str, where))
        return self._at(node, f"{path}: {message}" if path else message, cure)

    def _at(self, node: yaml.Node | None, message: str, cure: str | None) -> AdapterError:
        line = node.start_mark.line + 1 if node else 1
        return AdapterError(f"{self._file}, line {line}: {message}", cure=cure)

    def _unreadable(self, error: Exception) -> AdapterError:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        return AdapterError(f"{self._file}{line}: no valid YAML: {problem}", cure=_SHAPE)


_SHAPE = "write, for instance, `features: {wind_speed: {field: wind_speed_mean}}`"


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise AdapterError(f"{path} is larger than {MOST_BYTES} bytes", cure="is it an adapter.yaml?")
        return content.decode()
    except FileNotFoundError:
        raise AdapterError(f"adapter {path} does not exist", cure="check --adapter or rows.adapter") from None
    except (OSError, UnicodeDecodeError) as error:
        raise AdapterError(f"adapter {path} cannot be read: {error}") from None


def _twice(node: yaml.Node | None, seen: set[int]) -> Iterator[tuple[str, yaml.Node]]:
    """Keys that a mapping holds twice (YAML would silently take the last); an anchor is walked once."""
    if node is None or id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        keys: set[str] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in keys:
                yield key.value, key
            keys.add(str(key.value))
            yield from _twice(value, seen)
