"""A trial for each test: topics, rows, promises, audit."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.e2e.rows import FEATURES, LOOKBACK
from tests.e2e.trial import Trial

from foretell.demo.apache_kafka import ApacheKafka

MakeTrial = Callable[..., Trial]


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory, make_bundle: Callable[..., Path]) -> Path:
    """A small LSTM that reads what `rows` makes."""
    return make_bundle(tmp_path_factory.mktemp("bundle"), lookback=LOOKBACK, features=FEATURES)


@pytest.fixture
def trials(tmp_path: Path, bundle: Path) -> Iterator[MakeTrial]:
    """Makes trials on a broker: `trials(name, servers, …)`; what they started ends with the test."""
    made: list[Trial] = []

    def make(name: str, servers: str, **otherwise: object) -> Trial:
        made.append(Trial(name, servers, bundle, tmp_path, **otherwise))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for trial in made:
        trial.close()


@pytest.fixture
def trial(trials: MakeTrial, kafka: ApacheKafka, request: pytest.FixtureRequest) -> Trial:
    """One on the session's broker; every kind of bad row is refused."""
    name = request.node.name.replace("[", "-").rstrip("]")
    return trials(name, kafka.bootstrap_servers, same_time="keep", out_of_range="reject")
