"""From the model that the settings name to a bundle on this machine, imported on the fly if need be."""

import hashlib
import logging
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

import foretell
from foretell.bundle.manifest import MANIFEST
from foretell.bundle.store import Store
from foretell.config import Settings
from foretell.errors import BundleNotFound, ConfigError, ForetellError, SourceNotFound

log = logging.getLogger(__name__)
UNDER = Path("trained") / "forecasting"

Import = Callable[[Path, Path, Settings], None]


def resolve_bundle(settings: Settings, run_import: Import | None = None) -> Path:
    """The folder of the bundle that the settings name.

    `model.bundle` is a path. `model.name` is a folder under the storage path or under its
    `trained/forecasting/`: a bundle, a store's name (also `name:version` and `name@alias`), or a model's
    files, which are imported once and kept under the digest of all that went in.

    Args:
        run_import: makes a bundle from a source in a folder; unset: foretell's importers.

    Raises:
        ConfigError: no model is named.
        SourceNotFound, BundleNotFound: there is none; names the places that were tried and what is there.
        ImportFailed: the files cannot become a bundle.
    """
    model = settings.model
    if model.bundle is not None:
        if not (model.bundle / MANIFEST).is_file():
            raise BundleNotFound(
                f"{model.bundle}: no {MANIFEST} there", cure="make a bundle with `foretell import`"
            )
        return model.bundle
    if not model.name:
        raise ConfigError(
            "no model is named",
            cure="give --model-name (a folder under MODEL_STORAGE_PATH) or --bundle (a path)",
        )
    source = _find(model.storage_path, model.name)
    if (source / MANIFEST).is_file():
        return source
    return _import_once(source, settings, run_import or _import)


def _find(storage: Path, name: str) -> Path:
    roots = [storage / UNDER, storage]
    if name.startswith((".", "/")) or ".." in Path(name).parts:
        raise ConfigError(f"model.name {name!r} leaves the storage path", cure="--bundle takes a path")
    for root in roots:
        store = Store(root)
        try:
            return store.resolve(name)
        except BundleNotFound:
            if (root / name).is_dir():
                return root / name
            if _is_exact(name) and store.list():
                raise  # it tells which versions and aliases there are
    tried = "\n".join(f"{root / name}" for root in roots)
    there = sorted(set(_names(roots))) or ["nothing"]
    raise SourceNotFound(
        f"Model directory not found: {name}; these were tried:\n{tried}",
        cure=f"there is: {', '.join(there)}\n"
        "set MODEL_STORAGE_PATH to the folder of models, or name a bundle by its path (`serve PATH`, "
        "`stream --bundle PATH`)",
    )


def _is_exact(name: str) -> bool:
    return ":" in name or "@" in name


def _names(roots: list[Path]) -> Iterator[str]:
    for root in roots:
        for folder in root.iterdir() if root.is_dir() else ():
            if folder.is_dir() and not folder.name.startswith(".") and folder.name != UNDER.parts[0]:
                yield folder.name


def _import_once(source: Path, settings: Settings, run_import: Import) -> Path:
    digest = _digest(source, settings)
    caches = [settings.model.storage_path / ".foretell", _user_cache()]
    for cache in caches:
        bundle = cache / f"{source.name}-{digest}"
        if (bundle / MANIFEST).is_file():
            log.info("%s was imported before: %s", source, bundle)
            return bundle
    for cache in caches:
        try:
            cache.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(cache, os.W_OK):
            return _import_into(cache / f"{source.name}-{digest}", source, settings, run_import)
    raise ForetellError(
        f"{source} is to be imported, and no folder can be written: {caches[0]}, {caches[1]}",
        cure="make one writable, set XDG_CACHE_HOME, or run `foretell import` where you can write",
    )


def _import_into(bundle: Path, source: Path, settings: Settings, run_import: Import) -> Path:
    beside = bundle.with_name(f".{bundle.name}-{uuid.uuid4().hex[:8]}")
    try:
        run_import(source, beside, settings)
        try:
            beside.rename(bundle)  # in one step: another process sees all of it or nothing
        except OSError:
            if not (bundle / MANIFEST).is_file():  # else the other was quicker
                raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    log.info("%s is imported: %s", source, bundle)
    return bundle


def _digest(source: Path, settings: Settings) -> str:
    """Of the files and of all else that an import depends on."""
    total = hashlib.sha256(foretell.__version__.encode())
    model = settings.model
    total.update(msgspec.json.encode([model.step, model.features, model.targets]))
    adapter = settings.rows.adapter
    files = sorted(f for f in source.iterdir() if f.is_file())
    for file in [*files, *([adapter] if adapter else [])]:
        with file.open("rb") as opened:
            inner = hashlib.file_digest(opened, "sha256").hexdigest()
        total.update(f"\0{file.name}\0{inner}".encode())
    return total.hexdigest()[:12]


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "foretell"


def _import(source: Path, out: Path, settings: Settings) -> None:
    from foretell.importers import import_source  # here: a bundle that is there needs none of it
    from foretell.importers.options import ImportOptions

    model = settings.model
    options = ImportOptions(
        out=out,
        name=source.name,
        adapter=settings.rows.adapter,
        step_s=model.step,
        features=tuple(model.features) if model.features else None,
        targets=tuple(model.targets) if model.targets else None,
    )
    imported = import_source(source, options)
    for note in imported.notes:
        log.info("%s: %s", source.name, note)
    for lack in imported.lacks:
        log.warning("%s: %s: %s; %s", source.name, lack.what, lack.consequence, lack.cure)
