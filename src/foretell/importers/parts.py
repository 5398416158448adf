"""The files of a source, each read by the format that it is in."""

from dataclasses import dataclass

from foretell.errors import ImportFailed
from foretell.importers.adaptation import OldAdapter, read_old_adapter
from foretell.importers.folder import Source
from foretell.importers.keras import read_keras
from foretell.importers.metadata import Metadata, read_metadata
from foretell.importers.network import Network
from foretell.importers.onnx import read_onnx
from foretell.importers.options import ImportOptions
from foretell.importers.reconcile import Said, said
from foretell.importers.sklearn import Scaler, read_scaler

NamedScaler = tuple[Scaler, str]


@dataclass(frozen=True)
class Parts:
    """What a source holds.

    Attributes:
        scaler_x, scaler_y: with their file's names; `shared` tells that one scaler is all there is.
        said: what files and flags say of shapes and names.
    """

    network: Network
    scaler_x: NamedScaler | None
    scaler_y: NamedScaler | None
    shared: bool
    adapter: OldAdapter | None
    said: Said


def read_parts(source: Source, options: ImportOptions) -> Parts:
    """Read them all.

    Raises:
        ImportFailed: with its kinds, as the formats' readers do.
    """
    found = source.read("metadata")
    metadata = read_metadata(*found) if found else Metadata()
    scaler_x, scaler_y = _scaler(source, "scaler_x"), _scaler(source, "scaler_y")
    shared = scaler_x is None and (scaler_x := _scaler(source, "scaler")) is not None
    old = source.read("adapter")
    facts = said(options, metadata, scaler_x[0] if scaler_x else None, scaler_y[0] if scaler_y else None)
    return Parts(
        network=_network(source, facts),
        scaler_x=scaler_x,
        scaler_y=scaler_y,
        shared=shared,
        adapter=read_old_adapter(*old) if old else None,
        said=facts,
    )


def _scaler(source: Source, role: str) -> NamedScaler | None:
    found = source.read(role)
    return (read_scaler(*found), found[1]) if found else None


def _network(source: Source, facts: Said) -> Network:
    found = source.read("model")
    if found is None:
        raise ImportFailed(f"{source.path}: no model there")
    data, file = found
    if source.model.suffix.lower() == ".onnx":
        return read_onnx(data, file, facts.lookback, len(facts.features) if facts.features else None)
    return read_keras(data, file, facts.lookback)
