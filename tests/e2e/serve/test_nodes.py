"""A node of a cluster is lost under load, and the replica on it."""

import json
import signal
from pathlib import Path

import pytest
from tests.e2e.processes import Running, family, kill_family, wait_until
from tests.e2e.serve.callers import over_grpc, patient, steady
from tests.e2e.serve.conftest import SETTINGS, Models
from tests.e2e.serve.fleet import Fleet
from tests.e2e.serve.ledger import End
from tests.e2e.serve.load import Load

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(400)]

LOCAL = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}  # on 127.0.0.1 only


def test_what_a_lost_node_held_is_all_that_is_lost(models: Models, tmp_path: Path) -> None:
    told = tmp_path / "nodes.json"
    nodes = Running(["-m", "tests.e2e.ray_nodes", str(told)], tmp_path / "nodes.log", LOCAL)
    try:
        wait_until(lambda: told.exists() or nodes.ended, 120, "two nodes")
        assert not nodes.ended, nodes.last_words()
        where = json.loads(told.read_text())
        tree = {"ray": {"head_address": where["address"]}, "serve": SETTINGS}
        fleet = Fleet(tmp_path, tree, models.served, LOCAL)
        try:
            lose_the_second(fleet, models, [int(pid) for pid in where["second"]])
        finally:
            fleet.close()
    finally:
        nodes.signal(signal.SIGTERM)  # it ends what it started
        wait_until(lambda: nodes.ended, 30, "the end of the nodes")


def lose_the_second(fleet: Fleet, models: Models, second: list[int]) -> None:
    there = fleet.pids() & set(family(second))
    assert len(there) == 1, "Serve did not spread the replicas"
    plain, retrying = [steady() for _ in range(3)], [patient(), patient(), over_grpc(tries=50)]
    ports = fleet.port, fleet.grpc_port
    with (
        Load(ports, [models.weather], plain) as load,
        Load(ports, [models.weather], retrying, seed=1) as again,
    ):
        wait_until(lambda: min(load.answered, again.answered) > 100, 120, "answers")
        kill_family(second)
        fleet.wait_for(2, without=there)
        before, lost = load.answered, load.ledger.count(End.LOST)
        wait_until(lambda: load.answered > before + 100, 120, "answers again")
    again.ledger.settle(End.RIGHT)
    load.ledger.settle(End.RIGHT, End.LOST)
    assert load.ledger.count(End.LOST) == lost, "nothing is lost once it has gone"
    assert lost <= 2 * len(plain)  # see test_faults
