"""Ray falls to pieces under load: the one that the supervisor started, or a node of a cluster."""

import json
import os
import signal

import pytest
from tests.e2e.processes import Running, actors_below, kill_family, named_below, wait_until
from tests.e2e.rows import Source
from tests.e2e.trial import Trial

pytestmark = [pytest.mark.kafka, pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(400)]

SEED = 20131005
LOCAL = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}  # on 127.0.0.1 only


@pytest.mark.parametrize("part", ["raylet/raylet", "gcs/gcs_server"], ids=["raylet", "gcs"])
def test_a_ray_of_our_own_that_dies_is_started_again(trial: Trial, part: str) -> None:
    print(f"seed {SEED}")
    stream = trial.stream()
    stream.wait_for_workers(3)
    feeder = trial.feed(Source(SEED, reject=True).rows(), rows_per_s=1000)
    trial.wait_for_work(2_000)
    for pid in named_below(stream.pid, part):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: "Ray is back" in stream.log.read_text(), 120, f"Ray again\n{stream.last_words()}")
    stream.wait_for_workers(3)
    trial.wait_for_work(2_000)
    feeder.stop()
    trial.settle(120)
    stream.signal(signal.SIGTERM)
    wait_until(lambda: stream.ended, 40, "the end of the stream")
    assert stream.exit_status == 0, stream.last_words()


def test_a_node_of_the_cluster_is_lost(trial: Trial) -> None:
    print(f"seed {SEED}")
    told = trial.folder / "nodes.json"
    nodes = Running(["-m", "tests.e2e.ray_nodes", str(told)], trial.folder / "nodes.log", LOCAL)
    try:
        wait_until(lambda: told.exists() or nodes.ended, 120, "two nodes")
        assert not nodes.ended, nodes.last_words()
        lose_the_second(trial, nodes, json.loads(told.read_text()))
    finally:
        nodes.signal(signal.SIGTERM)  # it ends what it started
        wait_until(lambda: nodes.ended, 30, "the end of the nodes")


def lose_the_second(trial: Trial, nodes: Running, told: dict[str, object]) -> None:
    trial.tree["ray"] = {"head_address": told["address"]}
    stream = trial.stream(LOCAL)  # else Ray takes 127.0.0.1 for the machine's other address
    stream.wait_for_workers(3)
    feeder = trial.feed(Source(SEED, reject=True).rows(), rows_per_s=1000)
    trial.wait_for_work(2_000)
    second = [int(pid) for pid in told["second"]]  # type: ignore[attr-defined]
    assert [actor for pid in second for actor in actors_below(pid)], "no worker on the second node"
    kill_family(second)
    wait_until(lambda: stream.health().get("workers", 3) < 3, 30, "word of it")
    stream.wait_for_workers(3)
    trial.wait_for_work(2_000)
    feeder.stop()
    trial.settle(120)
    wait_until(lambda: len(actors_below(nodes.pid)) == 3, 120, "three workers and no more")
