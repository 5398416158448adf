"""Models of a replica: opened, warm, in force, drained."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from foretell.config import BatchSettings
from foretell.errors import BundleNotFound
from foretell.forecasting.forecaster import Forecaster
from foretell.serve.backend import Backend, Call, Refusal
from foretell.serve.models.registry import Registry

MakeBundle = Callable[..., Path]
BATCH = BatchSettings(max_batch_size=64)


@pytest.fixture
def weather(tmp_path: Path, make_bundle: MakeBundle) -> Path:
    return make_bundle(tmp_path)


@pytest.fixture
def registry(weather: Path, features_bundle: Path) -> Iterator[Registry]:
    opened = Registry.open([weather, features_bundle], batch=BATCH)
    yield opened
    opened.close()


def windows(n: int, seed: int = 1) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.random.default_rng(seed).normal(50.0, 20.0, (n, 7, 3))


def test_answers_by_name(registry: Registry, weather: Path) -> None:
    backend: Backend = registry
    assert backend.ready()
    assert backend.manifests().keys() == {"weather", "features"}
    given = windows(5)
    answer = asyncio.run(backend.infer(Call("weather", given)))
    assert answer.version == backend.manifests()["weather"].version
    expected = Forecaster.open(weather).predict(given).values
    assert np.abs(answer.outputs["forecast"] - expected).max() <= 1e-4
    assert answer.steps is not None
    assert answer.steps.tolist() == [7] * 5


def test_channels_first_windows_are_taken_as_they_are(registry: Registry) -> None:
    given = np.random.default_rng(2).normal(size=(3, 2, 5))
    answer = asyncio.run(registry.infer(Call("features", given)))
    assert answer.outputs["mean"] == pytest.approx(given.mean(axis=2), abs=1e-6)
    assert answer.outputs.keys() == {"mean", "growth"}
    one = asyncio.run(registry.infer(Call("features", given, outputs=["growth"])))
    assert one.outputs.keys() == {"growth"}


@pytest.mark.parametrize(("model", "version"), [("wether", None), ("weather", "000000000000")])
def test_an_unknown_model_or_version_is_not_found(
    registry: Registry, model: str, version: str | None
) -> None:
    with pytest.raises(Refusal) as caught:
        asyncio.run(registry.infer(Call(model, windows(1), version=version)))
    assert caught.value.reason == "model_not_found"


def test_a_bad_bundle_is_never_ready(weather: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleNotFound):
        Registry.open([weather, tmp_path / "nothing"], batch=BATCH)


def test_closing_refuses_what_comes(registry: Registry) -> None:
    asyncio.run(registry.infer(Call("weather", windows(1))))
    registry.close()
    assert not registry.ready()
    with pytest.raises(Refusal) as caught:
        asyncio.run(registry.infer(Call("weather", windows(1))))
    assert caught.value.status == 503


def test_one_engine_in_trouble_makes_all_of_it_unready(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry._models["features"], "trouble", lambda: "features: stuck")
    assert registry.trouble() == "features: stuck"
    assert not registry.ready()


def test_the_version_in_force_may_be_named(registry: Registry) -> None:
    version = registry.manifests()["weather"].version
    assert asyncio.run(registry.infer(Call("weather", windows(1), version=version))).version == version
