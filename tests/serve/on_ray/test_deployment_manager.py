"""Every name that callers use, on a real Ray Serve: one fleet for all tests, in their order."""

import asyncio
import logging
import re
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foretell.config import Settings
from foretell.errors import ConfigError
from foretell.serve.backend import Refusal
from foretell.serve.deployment.autoscaling import AutoscalingConfig, TradingWorkloadAutoscaler
from foretell.serve.deployment.changes import Changes
from foretell.serve.deployment.resources import ResourceConfig
from foretell.serve.manager.deployment_manager import DeploymentManager
from foretell.serve.manager.measured import Measured
from foretell.serve.manager.sync import SyncDeploymentManager

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(400)]

Until = Callable[..., None]


@pytest.fixture(scope="module")
def manager(
    spinning: Callable[..., Path],
    settings_on_ray: Callable[..., Settings],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[SyncDeploymentManager]:
    with SyncDeploymentManager(settings_on_ray()) as made:
        path = spinning(tmp_path_factory.mktemp("bundle"))
        assert made.deploy_model(path, None, ResourceConfig.small())
        yield made


@pytest.fixture
def url(manager: SyncDeploymentManager) -> str:
    return f"http://127.0.0.1:{serving(manager).port}"


def serving(manager: SyncDeploymentManager) -> Any:
    return manager.manager._service.deployed.plan.settings.serve


def pids(manager: SyncDeploymentManager) -> set[int]:
    return {replica.pid for replica in manager.manager._service.fleet.replicas()}


def array(value: float = -1.0) -> "np.ndarray[tuple[int, ...], np.dtype[np.float64]]":
    return np.full((1, 10, 60), value)


def test_an_answer_has_named_arrays(manager: SyncDeploymentManager) -> None:
    answer = manager.predict(array(-0.5), priority=1, deadline_ms=20_000)
    assert answer.keys() == {"mean", "top", "processing_time_ms"}
    assert answer["mean"] == pytest.approx(np.array([[-0.5]]))
    assert answer["top"].shape == (1, 10)
    assert 0 < answer["processing_time_ms"] < 20_000


def test_what_is_wrong_is_refused_and_nothing_else(manager: SyncDeploymentManager) -> None:
    with pytest.raises(Refusal, match=r"spin reads \(n, 10, 60\)"):
        manager.predict(np.zeros((1, 60, 10)))
    with pytest.raises(Refusal, match="priority 7"):
        manager.predict(array(), priority=7)
    with pytest.raises(Refusal, match="NaN"):
        manager.predict(array(np.nan))
    with pytest.raises(Refusal, match="no model `other`"):
        manager.predict(array(), model="other")
    with pytest.raises(Refusal) as raised:
        manager.predict(array(), deadline_ms=0.0001)
    assert raised.value.status == 504


def test_a_batch_keeps_its_order_and_one_bad_item_fails_alone(manager: SyncDeploymentManager) -> None:
    items = [array(-0.01 * i) for i in range(20)]
    items[3], items[7], items[11] = array(np.nan), np.zeros((2, 2)), array(-0.11)[0]
    results = manager.batch_predict(items, priority=2)
    assert [type(results[i]) for i in (3, 7)] == [Refusal, Refusal]
    means = [float(r["mean"][0, 0]) for r in results if isinstance(r, dict)]
    assert means == pytest.approx([-0.01 * i for i in range(20) if i not in (3, 7)], abs=1e-6)
    assert manager.batch_predict([]) == []


def test_from_async_code(manager: SyncDeploymentManager) -> None:
    async def together() -> tuple[dict[str, Any], dict[str, Any]]:
        inner: DeploymentManager = manager.manager
        _, stats, health = await asyncio.gather(
            inner.predict(array()), inner.get_deployment_stats(), inner.health_check()
        )
        return stats, health

    stats, health = asyncio.run(together())
    assert health["status"] == "healthy"
    assert health["is_healthy"] is True
    assert stats["request_count"] >= 4
    assert stats["device"] == "cpu"
    assert stats["uptime_seconds"] > 0
    assert stats["avg_processing_time_ms"] > 0


def test_performance_is_what_was_measured(manager: SyncDeploymentManager) -> None:
    for _ in range(20):
        manager.predict(array())
    told = manager.check_performance_requirements()
    assert told["meets_100ms_requirement"] is (told["within_100ms"] >= 0.99)
    assert told["measured_requests"] >= 20
    assert 0 < told["p50_latency_ms"] <= told["p99_latency_ms"]
    assert told["avg_latency_ms"] > 0


def test_what_the_lane_answers_counts_for_performance(
    manager: SyncDeploymentManager, url: str, asked: Callable[..., dict[str, Any]]
) -> None:
    before = manager.check_performance_requirements()["measured_requests"]
    for _ in range(20):
        asked(url)
    told = manager.check_performance_requirements()
    assert told["measured_requests"] == before + 20
    assert told["meets_100ms_requirement"] is (told["within_100ms"] >= 0.99)


def test_the_page_tells_of_fleet_health_and_doors(
    manager: SyncDeploymentManager, url: str, until: Until
) -> None:
    def page() -> str:
        with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
            return str(answer.read().decode())

    until(lambda: 'foretell_serve_replicas{state="running"} 2.0' in page())
    until(lambda: "foretell_serve_healthy 2.0" in page())
    for door in ("python", "oip_rest"):
        labels = f'door="{door}",model="spin",outcome="ok",priority="low",version="'
        assert f"foretell_serve_requests_total{{{labels}" in page()


def test_load_on_the_lane_alone_scales_up_and_down_again(
    manager: SyncDeploymentManager,
    url: str,
    callers: Callable[..., Any],
    until: Until,
    caplog: pytest.LogCaptureFixture,
) -> None:
    kept = pids(manager)
    quick = AutoscalingConfig(
        min_replicas=1,
        max_replicas=2,
        target_ongoing_requests=1,
        upscale_delay_s=0.2,
        downscale_delay_s=0.5,
        downscale_smoothing_factor=1.0,
        metrics_interval_s=0.2,
        look_back_period_s=1.0,
    )
    assert manager.apply_scaling(quick)
    with callers(url, 1) as one:
        until(lambda: len(pids(manager)) == 1)
        until(lambda: manager.health_check()["is_healthy"])
    assert pids(manager) <= kept
    changes = Changes(manager.manager._service.fleet)
    with caplog.at_level(logging.INFO, "foretell.serve"), callers(url, 6, 30.0) as many:  # some 30 ms each
        until(lambda: (changes.look(), len(pids(manager)))[1] == 2)  # type: ignore[func-returns-value]
    assert re.search(
        r"\(from 1 to 2 by load: \d+\.\d requests under way a replica, the target is 1\)", caplog.text
    )
    with callers(url, 1) as again:
        until(lambda: len(pids(manager)) == 1)
    for ones in (one, many, again):
        assert ones.answers
        assert not ones.lost


def test_a_number_is_pinned(manager: SyncDeploymentManager, until: Until) -> None:
    (kept,) = pids(manager)
    assert manager.scale_deployment(2)
    until(lambda: len(pids(manager)) == 2)
    assert kept in pids(manager)
    with pytest.raises(ConfigError, match="0 replicas"):
        manager.scale_deployment(0)


def test_hours_are_applied_within_what_the_machine_bears(manager: SyncDeploymentManager) -> None:
    as_named = manager.apply_market_hours_scaling()
    scale = manager.manager._service.deployed.scale
    assert isinstance(scale, AutoscalingConfig)
    assert (scale.target_ongoing_requests, scale.upscale_delay_s) == (3, 15)
    assert as_named is (scale == TradingWorkloadAutoscaler.get_market_hours_config())
    assert scale.max_replicas <= 30
    manager.apply_off_hours_scaling()
    scale = manager.manager._service.deployed.scale
    assert isinstance(scale, AutoscalingConfig)
    assert scale.downscale_delay_s == 300


def test_an_update_forgets_no_count(
    manager: SyncDeploymentManager,
    url: str,
    asked: Callable[..., dict[str, Any]],
    spinning: Callable[..., Path],
    tmp_path: Path,
    until: Until,
) -> None:
    def count() -> int:
        return int(manager.get_deployment_stats()["request_count"])

    until(lambda: manager.health_check()["is_healthy"])
    before, gone = count(), pids(manager)
    for _ in range(10):
        asked(url)
    manager.update(str(spinning(tmp_path, offset=0.5)), watch_s=0)  # nobody asks before they have gone
    until(lambda: count() == before + 10)
    assert not gone & pids(manager)
    later = Measured()
    later.take([], manager.manager._service.fleet.counted())
    assert later.stats()["request_count"] == before + 10  # as another program is told


def test_after_shutdown_nothing_is_deployed(manager: SyncDeploymentManager) -> None:
    manager.manager.shutdown()
    assert manager.health_check()["status"] == "not_deployed"
    with pytest.raises(ConfigError, match="nothing is deployed"):
        manager.predict(array())
