"""The settings themselves: durations, defaults by place, and nothing that is not described."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from foretell.config import settings as module
from foretell.config.parts import seconds
from foretell.config.settings import Settings, StreamSettings


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("90s", 90.0),
        ("250ms", 0.25),
        ("1h30m", 5400.0),
        (" 2 d ", 172800.0),
        ("5 min", 300.0),
        ("PT1H", 3600.0),
        ("42", 42.0),
        (42, 42),
        (timedelta(minutes=2), 120.0),
    ],
)
def test_durations(given: object, wanted: float) -> None:
    assert seconds(given) == wanted


@pytest.mark.parametrize("given", ["soon", "5 parsecs", "s", "", "1h-", "0s", "-5s"])
def test_what_is_no_duration(given: str) -> None:
    with pytest.raises(ValidationError):
        StreamSettings.model_validate({"wait": given})


@pytest.mark.parametrize(
    ("inside", "kafka", "ray", "models"),
    [(True, "kafka:9092", "ray-head:6379", "/app/models"), (False, "localhost:9092", None, "models")],
)
def test_defaults_know_a_container(
    inside: bool, kafka: str, ray: str | None, models: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "in_container", lambda: inside)
    settings = Settings()
    assert settings.kafka.bootstrap_servers == kafka
    assert settings.ray.head_address == ray
    assert str(settings.model.storage_path) == models


def test_defaults_that_the_requirements_name() -> None:
    stream = Settings().stream
    assert (stream.input_topic, stream.output_topic) == ("weather-features", "weather-predictions")
    assert (stream.group, stream.num_actors, stream.gpu_fraction) == ("ray-ml-inference", 4, 0.25)
    assert Settings().kafka.partitions == 4


def fields(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from fields(field.annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field


@pytest.mark.parametrize(("name", "field"), list(fields(Settings)))
def test_each_setting_is_described(name: str, field: Any) -> None:
    assert field.description, name


def test_nothing_changes_after_start() -> None:
    settings = Settings()
    with pytest.raises(ValidationError):
        settings.stream.group = "other"
