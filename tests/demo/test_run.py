"""`foretell demo` as a person runs it: in a process of its own, from beginning to end."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from tests.marked import marked_environ, wait_for_the_end

from foretell.demo.apache_kafka import ApacheKafka

FORETELL = Path(sys.executable).with_name("foretell")

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture
def environ() -> Mapping[str, str]:
    """Of this test alone, so that what it leaves behind can be told from others' processes."""
    return marked_environ()


@pytest.fixture(autouse=True)
def nothing_stays(environ: Mapping[str, str]) -> Iterator[None]:
    """No process that the demo started outlives it by more than a moment."""
    yield
    wait_for_the_end(environ, 10)


def demo(environ: Mapping[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(FORETELL), "demo", *options], env=environ, capture_output=True, text=True, check=False
    )


def test_on_the_mock_cluster(environ: Mapping[str, str]) -> None:
    done = demo(environ, "--broker", "mock", "--rate", "1500")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "at least once" in done.stdout
    assert "killed (SIGKILL)" not in done.stdout
    assert "6,300 forecasts due: 0 lost, 0 doubled, 0 unasked for" in done.stdout
    assert re.search(r"^  7 h +4\.\d\d +6\.\d\d +0\.3", done.stdout, re.MULTILINE)
    assert "14 Oct" in done.stdout
    assert "foretell inspect" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.kafka
def test_on_a_real_kafka_a_killed_worker_costs_nothing(
    environ: Mapping[str, str], kafka: ApacheKafka
) -> None:
    done = demo({**environ, "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers}, "--rate", "800")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "(from environment KAFKA_BOOTSTRAP_SERVERS): exactly once" in done.stdout
    assert "killed (SIGKILL)" in done.stdout
    assert "6,300 forecasts due: 0 lost, 0 doubled, 0 unasked for" in done.stdout
    # It is somebody else's broker: nothing of ours stays there.
    topics = AdminClient({"bootstrap.servers": kafka.bootstrap_servers}).list_topics(timeout=10).topics
    assert not [name for name in topics if name.startswith("foretell-demo")]


def test_kept_running_until_told_to_end(environ: Mapping[str, str]) -> None:
    kept = subprocess.Popen(
        [str(FORETELL), "demo", "--keep", "--broker", "mock", "--airports", "JFK"],
        env=environ,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert kept.stdout is not None
    said = []
    for line in kept.stdout:
        said.append(line)
        if re.search(r"[1-9][\d,]* forecasts", line):
            break
    kept.send_signal(signal.SIGTERM)
    said += kept.stdout.read().splitlines()
    assert kept.wait() == 0, "".join(said)
    assert any("foretell tail" in line for line in said)


def test_an_unknown_airport_is_an_error(environ: Mapping[str, str]) -> None:
    done = demo(environ, "--airports", "JFK,BER")
    assert done.returncode == 2
    assert "there is no BER" in done.stderr
