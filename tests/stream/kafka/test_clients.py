"""Clients are made in one place, and say what is wrong in our words, once."""

import logging

import pytest
from confluent_kafka import KafkaError as ClientError
from confluent_kafka import KafkaException

from foretell.config import KafkaSettings
from foretell.errors import BrokerUnreachable, ConfigError, Fenced, KafkaError
from foretell.stream.kafka.clients import BrokerWatch, admin, client_config, explain, reader, secrets

SECURE = KafkaSettings.model_validate(
    {
        "bootstrap_servers": "a:1",
        "properties": {
            "security.protocol": "SASL_SSL",
            "sasl.username": "me",
            "sasl.password": "hunter2",
            "ssl.key.pem": "-----BEGIN",
            "linger.ms": 7,
        },
    }
)


def test_the_users_properties_win_over_a_role_and_are_plain_for_librdkafka() -> None:
    config = client_config(SECURE, {"group.id": "g", "linger.ms": 5})
    assert config["bootstrap.servers"] == "a:1"
    assert (config["group.id"], config["linger.ms"], config["sasl.password"]) == ("g", "7", "hunter2")


@pytest.mark.parametrize(
    "name", ["group.id", "transactional.id", "isolation.level", "enable.auto.commit", "bootstrap.servers"]
)
def test_what_exactly_once_stands_on_is_not_the_users(name: str) -> None:
    with pytest.raises(ConfigError, match=f"must not set {name}") as raised:
        client_config(KafkaSettings.model_validate({"properties": {name: "x"}}))
    assert raised.value.cure


def test_secrets_are_known_and_other_values_are_not_among_them() -> None:
    assert secrets(SECURE) == ["hunter2", "-----BEGIN"]


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({"lingr.ms": 5}, 'No such configuration property: "lingr.ms"'),
        ({"sasl.mechanism": "NOPE", "security.protocol": "sasl_plaintext"}, "Unsupported SASL mechanism"),
    ],
)
def test_a_property_that_librdkafka_does_not_take(properties: dict[str, object], said: str) -> None:
    settings = KafkaSettings.model_validate({"properties": properties})
    with pytest.raises(ConfigError, match=said):
        admin(settings)
    with pytest.raises(ConfigError, match=said):
        reader(settings, "g")


def error(
    code: int, text: str = "a:1/bootstrap: Connect to ipv4#1.2.3.4:1 failed (after 0ms in state CONNECT)"
) -> ClientError:
    return ClientError(code, text)


def test_a_change_of_state_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    watch = BrokerWatch("a:1")
    with caplog.at_level(logging.INFO, logger="foretell"):
        watch.well()
        for _ in range(50):
            watch.error(error(ClientError._TRANSPORT))
            watch.error(error(ClientError._ALL_BROKERS_DOWN, "1/1 brokers are down"))
        assert watch.away == "Connect to ipv4#1.2.3.4:1 failed"
        watch.well()
        watch.well()
        watch.error(error(ClientError._RESOLVE, "no such name"))
    assert [r.getMessage() for r in caplog.records] == [
        "Kafka at a:1 does not answer, trying on: Connect to ipv4#1.2.3.4:1 failed",
        "Kafka at a:1 answers again",
        "Kafka at a:1 does not answer, trying on: no such name",
    ]


@pytest.mark.parametrize("more", ["", ", 3 identical error(s) suppressed"])
def test_what_the_client_says_of_itself_is_left_out(more: str) -> None:
    watch = BrokerWatch("a:1")
    watch.error(error(ClientError._AUTHENTICATION, f"a:1/1: wrong (after 302ms in state AUTH_REQ{more})"))
    assert watch.refused == "wrong"


def test_a_refusal_is_told_apart_from_silence(caplog: pytest.LogCaptureFixture) -> None:
    watch = BrokerWatch("a:1")
    watch.error(error(ClientError._AUTHENTICATION, "SASL SCRAM-SHA-512: wrong password"))
    watch.error(error(ClientError._AUTHENTICATION, "SASL SCRAM-SHA-512: wrong password"))
    assert watch.away is None
    assert watch.refused == "SASL SCRAM-SHA-512: wrong password"
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (ClientError._FENCED, Fenced),
        (ClientError._TRANSPORT, BrokerUnreachable),
        (ClientError.TOPIC_AUTHORIZATION_FAILED, KafkaError),
    ],
)
def test_exceptions_find_their_place_in_the_tree(code: int, kind: type[KafkaError]) -> None:
    told = explain(KafkaException(ClientError(code)), "reading x", SECURE)
    assert type(told) is kind
    assert told.message.startswith("reading x: ")
    assert explain(KafkaException("odd"), "reading x", SECURE).message == "reading x: odd"
