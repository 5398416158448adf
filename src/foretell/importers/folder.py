"""Which files belong together: a model, its scalers, the adapter, the metadata, a reference."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from foretell.bundle.manifest import FileEntry
from foretell.bundle.write import file_entry
from foretell.errors import SourceNotFound, UnreadableFile, UnsupportedModel

MODEL_SUFFIXES = (".h5", ".hdf5", ".keras", ".onnx")
_LATER_SUFFIXES = (".pt", ".pth", ".pt2", ".pb", ".joblib")
_MAX_FILE_BYTES = 2**30
_PICKLES = ("pkl", "joblib", "pickle", "save")
_NAMES: Mapping[str, tuple[str, ...]] = {
    "scaler_x": ("scaler_x", "x_scaler", "feature_scaler", "input_scaler"),
    "scaler_y": ("scaler_y", "y_scaler", "target_scaler", "output_scaler"),
    "scaler": ("scaler", "minmax_scaler", "standard_scaler"),
    "adapter": ("feature_adapter",),
}


@dataclass
class Source:
    """The files of one model, read once: what is parsed is what the digests are of.

    Attributes:
        path: what was named. folder: where companions lie.
        roles: the file for each role that is there: `model`, `scaler_x`, `scaler_y`, `scaler`, `adapter`,
            `metadata`, `reference`.
        files: size and digest of each file that was read.
        notes: what was taken for granted.
    """

    path: Path
    folder: Path
    roles: Mapping[str, Path]
    files: dict[str, FileEntry] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def model(self) -> Path:
        return self.roles["model"]

    def read(self, role: str) -> tuple[bytes, str] | None:
        """The bytes and the name of a role's file; `None` when there is none.

        Raises:
            UnreadableFile: it cannot be read, or is larger than a gigabyte.
        """
        path = self.roles.get(role)
        if path is None:
            return None
        try:
            with path.open("rb") as file:
                data = file.read(_MAX_FILE_BYTES + 1)
        except OSError as error:
            raise UnreadableFile(f"{path}: cannot be read: {error.strerror}") from None
        if len(data) > _MAX_FILE_BYTES:
            raise UnreadableFile(f"{path}: is larger than a gigabyte")
        self.files[path.name] = file_entry(data)
        return data, path.name


def find(path: Path) -> Source:
    """Look at a folder, or at a model file and what lies beside it.

    Raises:
        SourceNotFound: nothing is there, or no model; names what is there.
        UnsupportedModel: several models, or of a kind that cannot be imported.
    """
    if not path.exists():
        raise SourceNotFound(f"{path}: there is no such file or folder", cure="check the path")
    alone = path.is_file()
    folder = path.parent if alone else path
    names = {entry.name: entry for entry in sorted(folder.iterdir()) if entry.is_file()}
    if alone and path.suffix.lower() not in MODEL_SUFFIXES:
        raise _no_model(path, [path.name])
    roles = {"model": path if alone else _only_model(folder, names), **_companions(names)}
    source = Source(path, folder, roles)
    beside = [file.name for role, file in roles.items() if role != "model"]
    if alone and beside:
        source.notes.append(f"taken from beside {path.name}: {', '.join(beside)}")
    aside = [entry.name for entry in names.values() if _is_pickle(entry) and entry not in roles.values()]
    if aside:
        source.notes.append(f"left aside: {', '.join(aside)} (names that say no part of a model)")
    return source


def _only_model(folder: Path, names: Mapping[str, Path]) -> Path:
    models = [
        entry for entry in names.values() if entry.suffix.lower() in MODEL_SUFFIXES and not _is_pickle(entry)
    ]
    called_model = [entry for entry in models if entry.stem.lower() == "model"]
    chosen = called_model if len(called_model) == 1 else models
    if not chosen:
        raise _no_model(folder, list(names))
    if len(chosen) > 1:
        raise UnsupportedModel(
            f"{folder}: holds several models: {', '.join(entry.name for entry in chosen)}",
            cure=f"name the one that you mean, for instance {chosen[0]}",
        )
    return chosen[0]


def _no_model(path: Path, names: list[str]) -> SourceNotFound | UnsupportedModel:
    other = [name for name in names if Path(name).suffix.lower() in _LATER_SUFFIXES]
    if other:
        return UnsupportedModel(
            f"{path if path.is_file() else path / other[0]}: a model of this kind cannot be imported",
            cure="export it to ONNX (torch.onnx.export with a dynamic batch) and import that",
        )
    there = ", ".join(names[:10]) or "nothing"
    return SourceNotFound(
        f"{path}: no model there; found {there}", cure=f"a model ends in {', '.join(MODEL_SUFFIXES)}"
    )


def _companions(names: Mapping[str, Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    pickles = {entry.stem.lower(): entry for entry in names.values() if _is_pickle(entry)}
    for role, stems in _NAMES.items():
        match = next((pickles[stem] for stem in stems if stem in pickles), None)
        if match is not None:
            found[role] = match
    for role, name in (("metadata", "metadata.json"), ("reference", "reference.npz")):
        if name in names:
            found[role] = names[name]
    return found


def _is_pickle(entry: Path) -> bool:
    """By its suffix, or by a scaler's name: people do save target_scaler.h5 with joblib."""
    if entry.suffix.lower().removeprefix(".") in _PICKLES:
        return True
    scaler = any(entry.stem.lower() in stems for stems in _NAMES.values())
    return scaler and entry.suffix.lower() in MODEL_SUFFIXES
