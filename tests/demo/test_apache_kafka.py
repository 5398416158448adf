"""The real broker: found, started, killed, paused, and gone with its owner."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from foretell.demo.apache_kafka import ApacheKafka, find_kafka, free_ports
from foretell.errors import BrokerUnreachable

QUIET = {"log_level": 0, "error_cb": lambda error: None}
OWNER = """
import os, signal, sys
from pathlib import Path
from foretell.demo.apache_kafka import ApacheKafka
kafka = ApacheKafka(Path(sys.argv[1]), data_dir=Path(sys.argv[2]))
print(kafka._running[1].pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def brokers(bootstrap_servers: str, timeout: float = 0.5, **security: str) -> int:
    """How many brokers are known to whoever answers; 0 when nobody does."""
    try:
        admin = AdminClient({"bootstrap.servers": bootstrap_servers, **QUIET, **security})
        return len(admin.list_topics(timeout=timeout).brokers)
    except KafkaException:
        return 0


def wait_for(condition: Callable[[], bool], limit: float = 20.0) -> None:
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_kafka_home_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "libs").mkdir()
    (tmp_path / "libs" / "kafka_2.13-4.3.1.jar").touch()
    monkeypatch.setenv("KAFKA_HOME", str(tmp_path))
    monkeypatch.setattr("foretell.demo.apache_kafka.java_version", lambda: 17)
    assert find_kafka() == tmp_path / "libs"
    monkeypatch.setenv("KAFKA_HOME", str(tmp_path / "libs"))
    assert find_kafka() == tmp_path / "libs"


def test_jars_without_java_are_no_kafka(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kafka_2.13-4.3.1.jar").touch()
    monkeypatch.setenv("KAFKA_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    assert find_kafka() is None


def test_free_ports_differ() -> None:
    assert len(set(free_ports(9))) == 9


@pytest.mark.kafka
def test_one_node_answers(kafka: ApacheKafka) -> None:
    assert brokers(kafka.bootstrap_servers, timeout=5) == 1


@pytest.mark.kafka
@pytest.mark.slow
def test_three_nodes_outlive_one(kafka_cluster: ApacheKafka) -> None:
    everyone = kafka_cluster.bootstrap_servers
    first, second, _ = everyone.split(",")
    assert brokers(everyone, timeout=5) == 3
    kafka_cluster.kill(1)
    wait_for(lambda: brokers(everyone) == 2)
    kafka_cluster.start(1)
    assert brokers(first, timeout=5) == 3
    kafka_cluster.pause(2)
    assert brokers(second) == 0
    kafka_cluster.resume(2)
    wait_for(lambda: brokers(second) == 3)


@pytest.mark.kafka
@pytest.mark.slow
def test_sasl_lets_in_only_who_knows_the_password(kafka_libs: Path) -> None:
    with ApacheKafka(kafka_libs, users={"ada": "countess"}) as kafka:
        sasl = {
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": "ada",
        }
        address = kafka.sasl_bootstrap_servers
        assert brokers(address, timeout=10, **sasl, **{"sasl.password": "countess"}) == 1
        assert brokers(address, timeout=1, **sasl, **{"sasl.password": "wrong"}) == 0


@pytest.mark.kafka
@pytest.mark.slow
def test_it_dies_with_an_owner_that_was_killed(kafka_libs: Path, tmp_path: Path) -> None:
    owner = subprocess.run(
        [sys.executable, "-c", OWNER, str(kafka_libs), str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert owner.returncode == -9
    pid = int(owner.stdout)
    wait_for(lambda: not alive(pid))


@pytest.mark.kafka
def test_a_node_that_cannot_start_says_why(kafka_libs: Path, tmp_path: Path) -> None:
    with pytest.raises(BrokerUnreachable, match="nonsense"):
        ApacheKafka(kafka_libs, data_dir=tmp_path, properties={"log.cleaner.threads": "nonsense"})


@pytest.mark.kafka
def test_nothing_stays_on_the_disk(kafka_libs: Path) -> None:
    kafka = ApacheKafka(kafka_libs)
    folder = kafka._data
    assert folder.is_dir()
    kafka.close()
    assert not folder.exists()
