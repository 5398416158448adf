"""Which bundle is meant: by a path, by a name of the store, or the only one there is."""

from pathlib import Path

from foretell.bundle.bundle import Bundle, open_bundle
from foretell.bundle.manifest import MANIFEST
from foretell.config import Settings
from foretell.errors import BundleNotFound, ConfigError
from foretell.importers.resolve import resolve_bundle


def find_bundle(model: str, settings: Settings) -> Bundle:
    """A path, or a name under the storage path; see `resolve_bundle`."""
    path = Path(model)
    if (path / MANIFEST).is_file():
        return open_bundle(path)
    if path.is_dir():
        whole = path.absolute()
        part = settings.model.model_copy(
            update={"bundle": None, "name": whole.name, "storage_path": whole.parent}
        )
    elif path.is_file():
        cure = f"name its folder; or make a bundle of it with `foretell import {model}`, and name that"
        raise BundleNotFound(f"{model}: a file, and a folder is wanted", cure=cure)
    elif path.is_absolute() or path.parts[:1] == ("..",) or model.startswith("."):
        raise BundleNotFound(f"{model}: there is no such folder", cure="check the path")
    else:
        part = settings.model.model_copy(update={"bundle": None, "name": model})
    return open_bundle(resolve_bundle(settings.model_copy(update={"model": part})))


def only_model(settings: Settings) -> str:
    """The model of the settings, or the only one under their storage path. Raises `ConfigError`."""
    model = settings.model
    if model.bundle or model.name:
        return str(model.bundle or model.name)
    folder = model.storage_path
    there = sorted(
        f.name for f in (folder.iterdir() if folder.is_dir() else ()) if f.is_dir() and f.name[0] != "."
    )
    if len(there) != 1:
        raise ConfigError(
            f"no model is named, and under {folder} there is {', '.join(there) or 'none'}",
            cure="give a path or a name; MODEL_STORAGE_PATH is the folder of models",
        )
    return there[0]
