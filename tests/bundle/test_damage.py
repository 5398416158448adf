"""Whatever happened to a file's bytes: it is read, or refused as a bundle's error; never a traceback."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from foretell.bundle.bundle import open_bundle
from foretell.bundle.golden import unpack
from foretell.bundle.network import check_network
from foretell.bundle.parse import parse_manifest
from foretell.errors import BundleError

ROUNDS = 400


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """Some bytes replaced, or cut off at the end."""
    if rng.random() < 0.2:
        return data[: rng.integers(len(data))]
    changed = np.frombuffer(data, np.uint8).copy()
    places = rng.integers(len(data), size=rng.integers(1, 4))
    changed[places] = rng.integers(256, size=len(places))
    return changed.tobytes()


@pytest.mark.parametrize("name", ["bundle.json", "model.onnx", "golden.npz"])
def test_damage_is_refused_as_such(bundle_path: Path, name: str) -> None:
    manifest = open_bundle(bundle_path).manifest
    read: dict[str, Callable[[bytes], object]] = {
        "bundle.json": parse_manifest,
        "model.onnx": lambda data: check_network(data, manifest),
        "golden.npz": lambda data: unpack(data, manifest),
    }
    rng, data, refused = np.random.default_rng(20), (bundle_path / name).read_bytes(), 0
    for _ in range(ROUNDS):
        try:
            read[name](damaged(data, rng))
        except BundleError:
            refused += 1
    assert refused > ROUNDS / 10
