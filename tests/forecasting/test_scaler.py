"""Prepared scaling gives what the declaration means."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from foretell.bundle.bundle import open_bundle
from foretell.bundle.manifest import Manifest
from foretell.bundle.scaling import Scaling
from foretell.forecasting.scaler import Scaler

INPUTS = Scaling("MinMaxScaler", (10.0, -3.0, 0.5), (4.0, 7.0, 0.25))
TARGETS = Scaling("StandardScaler", (1e6,), (1e-3,))


@pytest.fixture
def manifest(tmp_path: Path, make_bundle: Callable[..., Path]) -> Manifest:
    return open_bundle(make_bundle(tmp_path)).manifest


def scaler(manifest: Manifest, **changes: object) -> Scaler:
    return Scaler(msgspec.structs.replace(manifest, **changes))


def test_inputs_are_scaled_as_declared(manifest: Manifest) -> None:
    own = np.random.default_rng(0).normal(5.0, 10.0, (4, 7, 3))
    scaled = scaler(manifest, input_scaling=INPUTS).to_network(own)
    assert scaled.dtype == np.float32
    assert np.array_equal(scaled, INPUTS.apply(own).astype(np.float32))


def test_inputs_are_clipped_where_the_scaler_was_made_to(manifest: Manifest) -> None:
    clipping = msgspec.structs.replace(INPUTS, clip=(0.0, 1.0))
    own = np.array([[[100.0, -3.0, np.nan]] * 7])
    scaled = scaler(manifest, input_scaling=clipping).to_network(own)[0, 0]
    assert scaled[:2].tolist() == [1.0, 0.0]
    assert np.isnan(scaled[2])


def test_channels_first_turns_the_windows(manifest: Manifest) -> None:
    own = np.random.default_rng(0).normal(5.0, 10.0, (4, 7, 3))
    turned = scaler(manifest, layout="channels_first").to_network(own)
    assert turned.shape == (4, 3, 7)
    assert turned.flags.c_contiguous
    assert np.array_equal(turned.transpose(0, 2, 1), scaler(manifest).to_network(own))


def test_forecasts_come_back_in_float64(manifest: Manifest) -> None:
    scaled = np.array([[[1.0], [2.0]]], np.float32)
    own = scaler(manifest, target_scaling=TARGETS).from_network(scaled)
    assert own[0, :, 0].tolist() == [1e6 + 1e-3, 1e6 + 2e-3]


def test_a_network_in_own_units_is_left_alone(manifest: Manifest) -> None:
    plain = scaler(manifest, input_scaling=None, target_scaling=None)
    own = np.random.default_rng(0).normal(size=(2, 7, 3))
    assert np.array_equal(plain.to_network(own), own.astype(np.float32))
    assert plain.from_network(np.ones((2, 7, 1), np.float32)).tolist() == np.ones((2, 7, 1)).tolist()
