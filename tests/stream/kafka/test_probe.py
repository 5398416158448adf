"""Whether the broker answers, and who is told."""

import logging
import time

import pytest

from foretell.config import KafkaSettings
from foretell.demo.mock_broker import MockBroker
from foretell.stream.kafka import probe as module
from foretell.stream.kafka.probe import BrokerProbe


def test_a_broker_that_goes_away_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_EVERY_S", 0.05)
    monkeypatch.setattr(module, "_PATIENCE_S", 0.5)
    caplog.set_level(logging.INFO, logger="foretell")
    with MockBroker() as broker:
        probe = BrokerProbe(KafkaSettings(bootstrap_servers=broker.bootstrap_servers))
        assert probe.answers
        broker.close()
        deadline = time.monotonic() + 8
        while probe.answers or not caplog.records:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        probe.close()
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 1
    assert told[0].startswith(f"Kafka at {broker.bootstrap_servers} does not answer, trying on: ")
