"""What every test can count on."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from foretell.demo.apache_kafka import ApacheKafka, find_kafka
from foretell.demo.mock_broker import MockBroker

SHARED = Path(__file__).resolve().parents[2] / "shared"


def must_run() -> bool:
    """On the team's machines and in CI nothing may be skipped for want of a part."""
    return os.environ.get("FORETELL_MUST_RUN") == "1"


def absent(part: str) -> NoReturn:
    """A part that this machine lacks: skip the test, or fail it where nothing may be skipped."""
    if must_run():
        pytest.fail(f"{part}; FORETELL_MUST_RUN=1 forbids to skip for it", pytrace=False)
    pytest.skip(part)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The start of a broker or of a Ray counts as time of the first test that uses it."""
    for item in items:
        if {"kafka", "ray"} & {mark.name for mark in item.iter_markers()} and not item.get_closest_marker(
            "timeout"
        ):
            item.add_marker(pytest.mark.timeout(60))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The team's folder of real models and rows; tests that need it are skipped elsewhere."""
    if not SHARED.is_dir():
        absent("no ../shared: the real model folders are on the team's machines only")
    return SHARED


@pytest.fixture(scope="session")
def kafka_libs() -> Path:
    """The jars of a real Apache Kafka."""
    libs = find_kafka()
    if libs is None:
        absent("no Apache Kafka or no Java 17: run `make kafka`, or set KAFKA_HOME")
    return libs


@pytest.fixture(scope="session")
def kafka(kafka_libs: Path) -> Iterator[ApacheKafka]:
    """One real broker for the whole session: give topics, groups and transactional ids names of your own."""
    with ApacheKafka(kafka_libs) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def kafka_cluster(kafka_libs: Path) -> Iterator[ApacheKafka]:
    """Three real brokers, to kill, pause and start again."""
    with ApacheKafka(kafka_libs, nodes=3) as cluster:
        yield cluster


@pytest.fixture
def mock_broker() -> Iterator[MockBroker]:
    """librdkafka's mock cluster: no isolation, no creation of topics (first use makes 4 partitions)."""
    with MockBroker() as broker:
        yield broker


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    """A Ray of this session's own, on 127.0.0.1 only, with 4 CPUs by hand whatever the machine has."""
    import ray  # not at the top: it costs every session 0.3 s

    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # else the node listens on all addresses
    ray.init(num_cpus=4, include_dashboard=False, object_store_memory=100_000_000, log_to_driver=False)
    yield
    ray.shutdown()
