"""All kinds of traffic for a long time: all of it answered, and nothing grows.

FORETELL_SOAK_SECONDS=1200 is the real one; without it a short one shows that the long one would work.
"""

import os
import time
from itertools import count

import numpy as np
import pytest
from tests.e2e.serve import callers
from tests.e2e.serve.conftest import Models
from tests.e2e.serve.fleet import Fleet
from tests.e2e.serve.ledger import End
from tests.e2e.serve.load import Caller, Load
from tests.e2e.serve.vitals import Vitals
from tests.e2e.serve.ways import MANY, TENSORS

from foretell.serve.backend import Priority

SECONDS = float(os.environ.get("FORETELL_SOAK_SECONDS", "18"))
UPDATE_S = max(SECONDS / 30, 4.0)
PAUSE_S = 0.01
# How much the last third may have more than the middle third.
PART, MB, COUNT = 0.03, 8.0, 4.0

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(SECONDS + 400)]


def traffic() -> list[Caller]:
    return [
        *(callers.steady(pause_s=PAUSE_S) for _ in range(3)),
        callers.steady(
            lambda load: load.forecasts.make(rows=20, priority=Priority.MEDIUM), MANY, pause_s=PAUSE_S
        ),
        callers.steady(
            lambda load: load.forecasts.make(priority=Priority.HIGH, deadline_ms=20_000), pause_s=PAUSE_S
        ),
        callers.fleeting(pause_s=PAUSE_S),
        callers.fleeting(callers.a_spin, TENSORS, pause_s=PAUSE_S),
        callers.patient(pause_s=PAUSE_S),
        *(callers.over_grpc(pause_s=PAUSE_S) for _ in range(2)),
        callers.leaving(pause_s=10 * PAUSE_S),
        callers.mistaken(pause_s=PAUSE_S),
    ]


def test_nothing_grows(fleet: Fleet, models: Models) -> None:
    """Versions change in the first third only: replicas of what follows are the same ones throughout."""
    bundles = [models.weather, models.other]

    def processes() -> dict[str, list[int]]:
        return {
            "replicas": fleet.named("ray::ServeReplica"),
            "driver": [fleet.driver],
            "controller": fleet.named("ray::ServeController"),
        }

    with Load((fleet.port, fleet.grpc_port), bundles, traffic()) as load:
        last = time.monotonic() + SECONDS / 3
        for updates in count(1):
            moment = time.monotonic() + UPDATE_S
            fleet.call("update", str(bundles[updates % 2]), 0.1)  # on a slow machine this takes long
            if time.monotonic() >= last:
                break
            ask_until(fleet, moment)
        with Vitals(processes, SECONDS / 150) as vitals:
            ask_until(fleet, time.monotonic() + SECONDS * 2 / 3)
    fleet.wait_for(2)
    print(f"\n{SECONDS:.0f} s, {updates} updates, {load.ledger.count()} requests\n{load.ledger}\n")
    print(vitals.table())
    load.ledger.settle(End.RIGHT, End.REFUSED, End.LEFT)
    for way, end, reason in load.ledger.ends:
        assert end is not End.REFUSED or way.startswith("mistake"), f"{way} was refused: {reason}"
    assert not vitals.growth(PART, MB, COUNT), vitals.table()


def ask_until(fleet: Fleet, moment: float) -> None:
    """Ask through the manager, again and again."""
    while time.monotonic() < moment:
        told = fleet.call("predict", np.full((1, 7, 3), 50.0), 1, None, "weather")
        assert told["forecast"].shape == (1, 7, 1)
        time.sleep(10 * PAUSE_S)
