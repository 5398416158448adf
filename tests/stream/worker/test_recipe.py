"""Settings and a bundle put together: units of the output, adapters, and what does not fit."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from foretell.bundle.manifest import Column, Manifest
from foretell.config import Settings
from foretell.errors import AdapterError, ConfigError
from foretell.forecasting.forecaster import Forecaster
from foretell.rows.adapter import Adapter
from foretell.stream.messages.blocks import Incoming
from foretell.stream.worker.pipeline import Pipeline
from foretell.stream.worker.recipe import Recipe


def settings(**parts: dict[str, Any]) -> Settings:
    return Settings.model_validate(parts)


@pytest.fixture
def fahrenheit(manifest: Manifest) -> Manifest:
    """The manifest with degF as the unit of its target: trained around 50 ± 20."""
    column = msgspec.structs.replace(manifest.targets[0], unit="degF")
    return msgspec.structs.replace(manifest, targets=(column,))


def test_without_units_forecasts_stay_as_the_model_gives_them(fahrenheit: Manifest) -> None:
    recipe = Recipe.of(settings(), fahrenheit)
    assert (recipe.factor.tolist(), recipe.offset.tolist()) == ([1.0], [0.0])
    assert recipe.manifest.targets == fahrenheit.targets
    assert (recipe.horizon, recipe.names) == (7, ["temperature", "wind_speed", "dewpoint"])


def test_forecasts_come_in_the_unit_that_is_asked_for(fahrenheit: Manifest) -> None:
    recipe = Recipe.of(settings(stream={"units": {"temperature": "degC"}}), fahrenheit)
    np.testing.assert_allclose(np.array([50.0, -40.0]) * recipe.factor + recipe.offset, [10.0, -40.0])
    (target,) = recipe.manifest.targets
    assert target.unit == "degC"
    assert target.bounds() == pytest.approx(((-30 - 32) / 1.8, (130 - 32) / 1.8))
    assert recipe.manifest.inputs == fahrenheit.inputs


def test_messages_bear_the_unit_and_its_numbers(
    fahrenheit: Manifest, forecaster: Forecaster, row: Callable[..., bytes], block: Callable[..., Incoming]
) -> None:
    def message(**stream: Any) -> Any:
        own = Forecaster(fahrenheit, forecaster.engine)
        out = Pipeline(settings(stream=stream), own).take(block([row("a", h) for h in range(3)]))
        return json.loads(out.forecasts[0][1])

    as_it_is, converted = message(), message(units={"temperature": "degC"})
    assert (as_it_is["unit"], converted["unit"]) == ({"temperature": "degF"}, {"temperature": "degC"})
    np.testing.assert_allclose(
        (np.array(as_it_is["forecast"]["temperature"]) - 32) / 1.8,
        converted["forecast"]["temperature"],
        atol=1e-5,
    )


@pytest.mark.parametrize(
    ("units", "said"),
    [
        ({"humidity": "percent"}, "humidity is no target"),
        ({"temperature": "km/h"}, "km/h"),
        ({"temperature": "nonsense"}, "nonsense"),
    ],
)
def test_units_that_make_no_sense(fahrenheit: Manifest, units: dict[str, str], said: str) -> None:
    with pytest.raises((ConfigError, AdapterError), match=said):
        Recipe.of(settings(stream={"units": units}), fahrenheit)


def test_a_unit_of_a_target_that_has_none(manifest: Manifest) -> None:
    with pytest.raises(ConfigError, match="does not say in which unit") as raised:
        Recipe.of(settings(stream={"units": {"temperature": "degC"}}), manifest)
    assert "model_unit" in (raised.value.cure or "")


def test_of_several_targets_each_has_its_own_way(fahrenheit: Manifest) -> None:
    two = (*fahrenheit.targets, Column("wind_speed", unit="mph", low=0.0, high=50.0))
    recipe = Recipe.of(
        settings(stream={"units": {"wind_speed": "km/h"}}), msgspec.structs.replace(fahrenheit, targets=two)
    )
    assert recipe.factor[0] == 1.0
    assert recipe.factor[1] == pytest.approx(1.609344)
    assert [c.unit for c in recipe.manifest.targets] == ["degF", "km/h"]


def test_the_adapter_is_the_given_one_or_that_of_the_settings_or_the_bundles_own(
    manifest: Manifest, tmp_path: Path
) -> None:
    file = tmp_path / "adapter.yaml"
    file.write_text("features:\n  temperature: {field: t}\n")
    named = settings(rows={"adapter": str(file)})
    assert Recipe.of(settings(), manifest).adapter == manifest.adapter
    read = Recipe.of(named, manifest).adapter
    assert read.features["temperature"].field == "t"
    file.unlink()  # on another machine it need not be there
    assert Recipe.of(named, manifest, read).adapter == read
    with pytest.raises(AdapterError):
        Recipe.of(named, manifest)
    assert Recipe.of(settings(), manifest, Adapter()).adapter == Adapter()
