"""`foretell stream` on a broker that speaks TLS, asks for a password, and keeps a list of who may do what."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from foretell.demo.apache_kafka import ApacheKafka

if TYPE_CHECKING:
    from tests.stream.conftest import Stream
    from tests.stream.supervision.conftest import Process

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(400)]
PASSWORD, WRONG = "correct-horse-battery", "wrong-but-secret"
Start = Callable[..., "Process"]
MakeSettings = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `broker.p12`, and `ca.pem` that vouches for it."""
    folder = tmp_path_factory.mktemp("keys")
    store = ["-alias", "broker", "-storetype", "PKCS12", "-keystore", "broker.p12", "-storepass", "changeit"]
    pair = [
        "-genkeypair",
        "-keyalg",
        "EC",
        "-validity",
        "2",
        "-dname",
        "CN=broker",
        "-ext",
        "san=ip:127.0.0.1",
    ]
    for command in (pair, ["-exportcert", "-rfc", "-file", "ca.pem"]):
        subprocess.run(["keytool", *command, *store], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def secured(kafka_libs: Path, keys: Path) -> Iterator[ApacheKafka]:
    """On the plain listener one may do all; the other speaks TLS, and asks for a password and rights."""
    tls = {
        "location": str(keys / "broker.p12"),
        "password": "changeit",
        "type": "PKCS12",
    }
    properties = {
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_SSL",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
        **{f"listener.name.sasl_plaintext.ssl.keystore.{name}": value for name, value in tls.items()},
    }
    with ApacheKafka(kafka_libs, users={"me": PASSWORD}, properties=properties) as cluster:
        yield cluster


@pytest.fixture
def told(
    secured: ApacheKafka, keys: Path, weather: Path, process_settings: MakeSettings
) -> Callable[..., dict[str, Any]]:
    """`told(password, …)`: settings of a stream on the secured listener; a property of `None` is left out."""

    def make(
        password: str, properties: dict[str, str | None] | None = None, **stream: object
    ) -> dict[str, Any]:
        tree = process_settings(secured.sasl_bootstrap_servers, weather, **{"wait": 20, **stream})
        usual = {
            "security.protocol": "SASL_SSL",
            "ssl.ca.location": str(keys / "ca.pem"),
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": "me",
            "sasl.password": password,
        } | (properties or {})
        tree["kafka"]["properties"] = {k: v for k, v in usual.items() if v is not None}
        return tree | {"log": {"level": "DEBUG"}}

    return make


def allow(servers: str, group: str, *topics: str) -> None:
    """What docs/run-on-your-kafka.md says that a user needs, and no more; topics are there already."""
    literal, prefixed = ResourcePatternType.LITERAL, ResourcePatternType.PREFIXED
    needs = [
        *(
            (ResourceType.TOPIC, t, literal, op)
            for t in topics
            for op in (AclOperation.READ, AclOperation.WRITE)
        ),
        *((ResourceType.GROUP, g, literal, AclOperation.READ) for g in (group, f"{group}-restore")),
        (ResourceType.TRANSACTIONAL_ID, f"{group}-", prefixed, AclOperation.WRITE),
    ]
    admin = AdminClient({"bootstrap.servers": servers})
    rules = [
        AclBinding(kind, name, pattern, "User:me", "*", operation, AclPermissionType.ALLOW)
        for kind, name, pattern, operation in needs
    ]
    for future in admin.create_acls(rules).values():
        future.result(10)


@pytest.mark.ray
def test_with_its_rights_and_no_others_it_forecasts(
    secured: ApacheKafka,
    on_broker: "Callable[..., Stream]",
    row: Callable[..., bytes],
    start: Start,
    told: Callable[..., dict[str, Any]],
) -> None:
    one = on_broker(secured.bootstrap_servers)
    one.put([*(row("a", h) for h in range(3)), b"{"])
    names = {k: getattr(one.settings.stream, k) for k in ("input_topic", "output_topic", "group")}
    more = (f"{one.input}-dead-letters", f"{names['group']}-windows-changelog")
    allow(secured.bootstrap_servers, names["group"], names["input_topic"], names["output_topic"], *more)
    process = start(told(PASSWORD, **names), "--until-end")
    assert process.status(100) == 0, process.said
    assert "ended: 4 rows, 1 forecasts, 1 dead letters (not_json 1)" in process.said
    assert PASSWORD not in process.said
    assert [m["origin"] for m in one.forecasts()] == ["0/2"]


def test_topics_that_it_may_not_make_are_named_with_the_command(
    secured: ApacheKafka, start: Start, told: Callable[..., dict[str, Any]]
) -> None:
    process = start(told(PASSWORD, input_topic="not-ours"))
    assert process.status(60) == 8, process.said
    assert "topic not-ours does not exist and was not created: this user may not create it" in process.said
    command = f"kafka-topics.sh --bootstrap-server {secured.sasl_bootstrap_servers} --create --topic not-ours"
    assert command in process.said
    assert "Traceback" not in process.said
    assert PASSWORD not in process.said


@pytest.mark.parametrize(
    ("password", "properties", "said"),
    [
        (WRONG, {}, "invalid credentials with SASL mechanism SCRAM-SHA-512)"),
        (PASSWORD, {"ssl.ca.location": None}, "verify that ssl.ca.location is correctly configured"),
        (
            PASSWORD,
            {"ssl.ca.location": "nowhere.pem"},
            "kafka.properties: Failed to create admin client: ssl.ca",
        ),
    ],
)
def test_one_that_is_not_let_in_says_why_before_its_patience_ends(
    start: Start, told: Callable[..., dict[str, Any]], password: str, properties: dict[str, Any], said: str
) -> None:
    process = start(told(password, properties))
    assert process.status(60) in (2, 8), process.said
    assert said in process.said
    assert "Traceback" not in process.said
    assert password not in process.said


def test_without_tls_it_says_what_may_be_wrong(start: Start, told: Callable[..., dict[str, Any]]) -> None:
    plain = {"security.protocol": "SASL_PLAINTEXT", "ssl.ca.location": None}
    process = start(told(PASSWORD, plain, wait=3))
    assert process.status(60) == 8, process.said
    assert "nobody answers" in process.said
    assert "security.protocol which its listener speaks" in process.said
