"""What a replica is made of, wherever in the cluster it is started, and the version that stands for it."""

import hashlib
import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

import foretell
from foretell.bundle.bundle import Bundle
from foretell.bundle.manifest import MANIFEST, MODEL, Manifest
from foretell.bundle.version import content_version
from foretell.config import Settings
from foretell.errors import ConfigError
from foretell.rows.adapter_file import load_adapter

log = logging.getLogger(__name__)

# What decides how many replicas there are, and how they are replaced; the replicas themselves do not see it.
_AROUND = {"replicas", "autoscale", "resources", "wait", "watch"}


@dataclass(frozen=True)
class ModelFiles:
    """A bundle as it travels: its folder need not exist on the replica's machine."""

    name: str
    version: str
    files: dict[str, bytes]

    @classmethod
    def of(cls, bundle: Bundle, adapter: Path | None = None) -> "ModelFiles":
        """Read a bundle's files, checked.

        Args:
            adapter: adapter.yaml in place of the bundle's own; the version is then the one that an import
                with it gives.

        Raises:
            AdapterError: it does not fit the model; names the line.
        """
        files = {name: bundle.read(name) for name in bundle.manifest.files}
        manifest = bundle.manifest if adapter is None else _adapted(bundle, adapter)
        return cls(manifest.name, manifest.version, files | {MANIFEST: msgspec.json.encode(manifest)})


@dataclass(frozen=True)
class Plan:
    """Attributes:
    settings: of all parts; ports are known ones here.
    gpu: whether the cluster has one, and it is wanted. gpu_fraction: of a replica.
    """

    settings: Settings
    models: tuple[ModelFiles, ...]
    gpu: bool = False
    gpu_fraction: float = 1.0

    @property
    def version(self) -> str:
        """Of all that a replica is made of: replicas of another version are replaced."""
        serve = self.settings.serve.model_dump_json(exclude=_AROUND)
        told = [foretell.__version__, serve, self.settings.engine.model_dump_json(), str(self.gpu)]
        told += [f"{m.name}:{m.version}" for m in self.models]
        return hashlib.sha256("\0".join(told).encode()).hexdigest()[:12]

    @property
    def versions(self) -> dict[str, str]:
        """Version by model."""
        return {model.name: model.version for model in self.models}

    def with_model(self, model: ModelFiles) -> "Plan":
        """The same, with another version of a model."""
        models = tuple(model if m.name == model.name else m for m in self.models)
        return Plan(self.settings, models, self.gpu, self.gpu_fraction)

    @contextmanager
    def folders(self) -> Iterator[list[Path]]:
        """The bundles as folders of this machine, while the context lasts."""
        with tempfile.TemporaryDirectory(prefix="foretell-") as top:
            yield [_unpack(Path(top) / model.name, model) for model in self.models]


def read_models(bundles: Sequence[Bundle], adapter: Path | None = None) -> tuple[ModelFiles, ...]:
    """The files of all, as `ModelFiles.of`. Raises `ConfigError`, too: no model, or two of one name."""
    names = [bundle.manifest.name for bundle in bundles]
    if not names:
        raise ConfigError("no model to serve", cure="name a bundle: `foretell serve BUNDLE`")
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(
                f"two models are named {name}", cure="import one of them again under another --name"
            )
    return tuple(ModelFiles.of(bundle, adapter) for bundle in bundles)


def _adapted(bundle: Bundle, adapter: Path) -> Manifest:
    names = [column.name for column in bundle.manifest.inputs]
    manifest = msgspec.structs.replace(bundle.manifest, adapter=load_adapter(adapter, names))
    version = content_version(manifest, manifest.files[MODEL], bundle.golden())
    if version != bundle.manifest.version:
        told = manifest.name, bundle.manifest.version, adapter, version
        log.info("%s %s with the adapter %s is version %s", *told)
    return msgspec.structs.replace(manifest, version=version)


def _unpack(folder: Path, model: ModelFiles) -> Path:
    folder.mkdir()
    for name, content in model.files.items():
        (folder / name).write_bytes(content)
    return folder
