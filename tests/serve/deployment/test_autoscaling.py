"""How many replicas: the figures that callers know, and the policy that Serve asks."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import ValidationError
from ray.serve.config import AutoscalingConfig as ServeConfig

from foretell.errors import ConfigError
from foretell.serve.deployment.autoscaling import (
    ONGOING,
    AutoscalingConfig,
    Ongoing,
    TradingWorkloadAutoscaler,
    by_ongoing,
    named_autoscaling,
)
from foretell.serve.deployment.resources import BatchConfig, ResourceConfig

AUTOSCALER = TradingWorkloadAutoscaler


@pytest.mark.parametrize(
    ("make", "figures"),
    [
        (AutoscalingConfig, (2, 20, 5, 30, 300, 1.0, 0.5)),
        (AUTOSCALER.get_market_hours_config, (5, 30, 3, 15, 120, 1.5, 0.3)),
        (AUTOSCALER.get_off_hours_config, (2, 10, 10, 60, 300, 1.0, 0.5)),
        (AUTOSCALER.get_stress_test_config, (10, 50, 2, 5, 60, 2.0, 0.1)),
    ],
)
def test_the_figures_are_those_that_callers_know(
    make: Callable[[], AutoscalingConfig], figures: tuple[float, ...]
) -> None:
    config = make()
    assert (
        config.min_replicas,
        config.max_replicas,
        config.target_num_ongoing_requests_per_replica,
        config.upscale_delay_s,
        config.downscale_delay_s,
        config.upscale_smoothing_factor,
        config.downscale_smoothing_factor,
    ) == figures
    assert (config.metrics_interval_s, config.look_back_period_s) == (10, 120)


@pytest.mark.parametrize(
    "name",
    ["target_ongoing_requests", "target_num_ongoing_requests_per_replica", "target_num_ongoing_requests"],
)
def test_the_target_goes_by_each_of_its_names(name: str) -> None:
    config = AutoscalingConfig.model_validate({name: 7})
    assert config.target_ongoing_requests == config.target_num_ongoing_requests_per_replica == 7


@pytest.mark.filterwarnings("ignore:The `metrics_interval_s` field:DeprecationWarning")
def test_ray_serve_takes_it() -> None:
    told = ServeConfig(**AUTOSCALER.get_market_hours_config().for_serve())
    assert (told.min_replicas, told.max_replicas, told.target_ongoing_requests) == (5, 30, 3)
    assert (told.get_upscaling_factor(), told.get_downscaling_factor()) == (1.5, 0.3)
    assert (told.upscale_delay_s, told.downscale_delay_s) == (15, 120)
    assert told.policy.get_policy().__name__ == by_ongoing.__name__


@pytest.mark.parametrize(
    "wrong", [{"min_replicas": 5, "max_replicas": 4}, {"min_replica": 5}, {"min_replicas": 0}]
)
def test_nonsense_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        AutoscalingConfig.model_validate(wrong)


@pytest.mark.parametrize(("most", "bounds"), [(100, (2, 20)), (8, (2, 8)), (1, (1, 1)), (0, (1, 1))])
def test_a_small_machine_bounds_it(most: int, bounds: tuple[int, int]) -> None:
    config = AutoscalingConfig().within(most)
    assert (config.min_replicas, config.max_replicas) == bounds


@pytest.mark.parametrize(
    ("told", "wanted"),
    [({}, 0), ({"a": 4.0, "b": 6.0}, 2), ({"a": 10.1}, 3), ({"a": 0.0}, 0), ({"a": 15.0, "b": 0.0}, 3)],
)
def test_the_policy_asks_for_the_load_over_the_target(told: dict[str, float], wanted: int) -> None:
    for metrics in ({ONGOING: told}, {ONGOING: told, "other": {"a": 99.0}}):
        assert by_ongoing(SimpleNamespace(aggregated_metrics=metrics, config=AutoscalingConfig())) == (
            wanted,
            {},
        )
    assert by_ongoing(SimpleNamespace(aggregated_metrics=None, config=AutoscalingConfig())) == (0, {})


def test_what_was_under_way_is_a_mean_since_it_was_last_told() -> None:
    ongoing = Ongoing()
    assert ongoing.take() == 0
    for sample in (0, 4, 8):
        ongoing.add(sample)
    assert ongoing.take() == 4
    assert ongoing.take() == 0


def test_presets_and_files_by_name(tmp_path: Path) -> None:
    assert named_autoscaling("default") == AutoscalingConfig()
    assert named_autoscaling("market-hours") == AUTOSCALER.get_market_hours_config()
    assert named_autoscaling("off-hours") == AUTOSCALER.get_off_hours_config()
    file = tmp_path / "scale.yaml"
    file.write_text("{min_replicas: 3, upscale_delay_s: 1m}")
    assert named_autoscaling(str(file)).upscale_delay_s == 60
    for text, said in (
        ("min: 3", "there is no field min"),
        ("[", "cannot be read"),
        ("- 3", "scale.yaml: no fields with values"),
        ("min_replicas: no", "min_replicas: "),
        ("max_replicas: 1", r"scale.yaml: max_replicas \(1\) is below"),
    ):
        file.write_text(text)
        with pytest.raises(ConfigError, match=said):
            named_autoscaling(str(file))
    with pytest.raises(ConfigError, match="no preset and no file"):
        named_autoscaling("lunch-hours")


def test_presets_of_resources_are_those_that_callers_know() -> None:
    gb = 1024**3
    assert ResourceConfig.named("small").for_ray(gpu=True) == {"num_cpus": 1, "num_gpus": 0.25, "memory": gb}
    assert ResourceConfig.named("medium").for_ray(gpu=True) == {
        "num_cpus": 2,
        "num_gpus": 0.5,
        "memory": 2 * gb,
    }
    assert ResourceConfig.named("large").for_ray(gpu=True) == {"num_cpus": 4, "num_gpus": 1, "memory": 4 * gb}
    assert ResourceConfig.small().for_ray(gpu=False)["num_gpus"] == 0


def test_batches_as_callers_know_them() -> None:
    batch = BatchConfig()
    assert (batch.max_batch_size, batch.batch_wait_timeout_s) == (32, 0.01)
    settings = BatchConfig(64, 0.02).settings()
    assert (settings.max_batch_size, settings.batch_wait_timeout_s, settings.max_queue_rows) == (
        64,
        0.02,
        10_000,
    )
