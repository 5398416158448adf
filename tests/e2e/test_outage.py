"""The only broker is away for a while: the stream waits, says so, and goes on."""

import time
from pathlib import Path

import pytest
from tests.e2e.conftest import MakeTrial
from tests.e2e.processes import wait_until
from tests.e2e.rows import Source

from foretell.demo.apache_kafka import ApacheKafka

pytestmark = [pytest.mark.kafka, pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(400)]

SEED = 20131004
OUTAGE_S = 20.0


def test_the_broker_is_gone_for_a_while(kafka_libs: Path, trials: MakeTrial) -> None:
    print(f"seed {SEED}")
    with ApacheKafka(kafka_libs) as kafka:
        trial = trials("outage", kafka.bootstrap_servers)  # every rule as it is shipped
        stream = trial.stream()
        stream.wait_for_workers(3)
        feeder = trial.feed(Source(SEED, reject=False).rows(), rows_per_s=1500)
        wait_until(lambda: trial.audit.committed() > 5000, 30, "work")
        kafka.kill()
        back = time.monotonic() + OUTAGE_S
        wait_until(lambda: stream.health().get("note") == "Kafka does not answer", 20, "word of it")
        wait_until(lambda: time.monotonic() > back, OUTAGE_S, "the end of the outage")
        assert not stream.ended, stream.last_words()
        kafka.start()
        wait_until(lambda: stream.health().get("healthy"), 120, f"health\n{stream.last_words()}")
        feeder.stop()
        trial.settle(120)
        assert trial.promises.made["revisions"] > 20
        assert trial.promises.made["engine_error"] > 2
    assert stream.log.read_text().count("does not answer") < 20, "one line a change of state"
