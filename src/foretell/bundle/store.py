"""A folder of bundles by name, version and alias.

    models/
      weather/
        3f9c2ab41d07/       a bundle
        aliases/production  a file that holds a version

`name` means the alias `latest`, which the newest addition takes; `name:version` and `name@alias` are exact.
"""

import os
import re
import uuid
from dataclasses import dataclass
from pathlib import Path

from foretell.bundle.bundle import Bundle, open_bundle
from foretell.bundle.manifest import MANIFEST
from foretell.bundle.parse import NAME, VERSION
from foretell.bundle.write import copy_bundle
from foretell.errors import BundleNotFound

LATEST = "latest"
_ALIASES = "aliases"
_REFERENCE = re.compile(rf"(?P<name>{NAME.pattern})(?::(?P<version>[0-9a-f]+)|@(?P<alias>{NAME.pattern}))?")


@dataclass(frozen=True, slots=True)
class Stored:
    """A bundle of a store, and the aliases that point to it."""

    name: str
    version: str
    aliases: tuple[str, ...]
    path: Path


class Store:
    """Safe to read while another process adds or sets an alias: a reader sees the old state or the new."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, bundle: Bundle) -> Bundle:
        """Copy a bundle in under its own name and version, and let `latest` point to it."""
        name, version = bundle.manifest.name, bundle.manifest.version
        stored = copy_bundle(bundle, self.folder / name / version)
        self.set_alias(name, LATEST, version)
        return stored

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Point `name@alias` to a version, in one step.

        Raises:
            BundleNotFound: no such version, and says what there is; or an alias that no reference can bear.
        """
        self.resolve(f"{name}:{version}")
        if not NAME.fullmatch(alias):
            raise BundleNotFound(f"{alias!r} can be no alias", cure="use letters, digits, `.`, `_`, `-`")
        aliases = self.folder / name / _ALIASES
        aliases.mkdir(parents=True, exist_ok=True)
        beside = aliases / f".{alias}.{uuid.uuid4().hex[:8]}"
        beside.write_text(version + "\n")
        os.replace(beside, aliases / alias)

    def list(self) -> list[Stored]:
        """All bundles, by name and version. Their files are not checked; `open` does that."""
        names = sorted(self.folder.iterdir()) if self.folder.is_dir() else []
        return [stored for folder in names if NAME.fullmatch(folder.name) for stored in _of_name(folder)]

    def resolve(self, reference: str) -> Path:
        """The folder of `name`, `name:version` or `name@alias`. Raises `BundleNotFound`."""
        if parts := _REFERENCE.fullmatch(reference):
            version, alias = parts["version"], parts["alias"] or LATEST
            for stored in _of_name(self.folder / parts["name"]):
                if stored.version == version or (not version and alias in stored.aliases):
                    return stored.path
        raise BundleNotFound(f"{self.folder}: no bundle `{reference}`", cure=_what_there_is(self.list()))

    def open(self, reference: str) -> Bundle:
        """Resolve and open; see `open_bundle` for what is checked."""
        return open_bundle(self.resolve(reference))


def _of_name(folder: Path) -> list[Stored]:
    if not folder.is_dir():
        return []
    aliases: dict[str, list[str]] = {}
    if (folder / _ALIASES).is_dir():
        for file in sorted((folder / _ALIASES).iterdir()):
            if NAME.fullmatch(file.name):
                aliases.setdefault(file.read_text().strip(), []).append(file.name)
    return [
        Stored(folder.name, version.name, tuple(aliases.get(version.name, ())), version)
        for version in sorted(folder.iterdir())
        if VERSION.fullmatch(version.name) and (version / MANIFEST).is_file()
    ]


def _what_there_is(stored: list[Stored]) -> str:
    if not stored:
        return "the store is empty; make a bundle with `foretell import`"
    shown = [f"{s.name}:{s.version}" + "".join(f" @{alias}" for alias in s.aliases) for s in stored]
    return "there are " + ", ".join(shown)
