"""A lane that speaks TLS: HTTP, gRPC and foretell's own client and bench; others are not kept waiting."""

import asyncio
import json
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from tests.serve.conftest import FakeBackend
from tests.serve.door import Door

from foretell.bundle.bundle import open_bundle
from foretell.cli import main
from foretell.client import Client, ServerUnreachable, SyncClient
from foretell.config import LimitSettings, SecuritySettings, ServeSettings
from foretell.serve.protocols.oip_messages import message

WINDOWS = np.full((2, 7, 3), 50.0)


@pytest.fixture(scope="module")
def door(
    tmp_path_factory: pytest.TempPathFactory, make_bundle: Callable[..., Path], pems: Any
) -> Iterator[Door]:
    bundle = make_bundle(tmp_path_factory.mktemp("weather"))
    security = SecuritySettings(tls_certificate=pems.certificate, tls_key=pems.key)
    settings = ServeSettings(security=security, limits=LimitSettings(slow=1.0))
    door = Door(FakeBackend(open_bundle(bundle).manifest), settings)
    yield door
    door.close()


def test_http_and_grpc_answer_who_trusts_the_certificate(door: Door) -> None:
    assert door.http("GET", "/v2/health/ready")[0] == 200
    told = door.grpc("ModelMetadata", message("ModelMetadataRequest")(name="weather"))
    assert list(told.inputs[0].shape) == [-1, 7, 3]


def live(channel: grpc.Channel) -> grpc.StatusCode | None:
    """What comes of the simplest call."""
    with channel:
        try:
            channel.unary_unary("/inference.GRPCInferenceService/ServerLive")(b"", timeout=10)
        except grpc.RpcError as error:
            told: grpc.StatusCode = error.code()
            return told
    return None


def test_who_does_not_trust_it_is_not_answered(door: Door) -> None:
    stranger = ssl.create_default_context()
    with (
        socket.create_connection(("127.0.0.1", door.lane.port), 5) as plain,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        stranger.wrap_socket(plain, server_hostname="localhost")
    address = f"127.0.0.1:{door.lane.grpc_port}"
    secure = grpc.secure_channel(address, grpc.ssl_channel_credentials())
    assert live(secure) is live(grpc.insecure_channel(address)) is grpc.StatusCode.UNAVAILABLE


def test_foretells_client(door: Door, pems: Any) -> None:
    async def ask() -> float:
        async with Client(door.url, ca=pems.certificate) as client:
            return float((await client.infer("weather", WINDOWS)).outputs["forecast"][0, 0, 0])

    assert asyncio.run(ask()) == 51.0
    with SyncClient(door.url, ca=pems.certificate) as client:
        assert client.models() == ["weather"]
    with SyncClient(door.url, retries=0) as stranger:
        with pytest.raises(ServerUnreachable, match="certificate is not trusted") as caught:
            stranger.models()
        assert "`ca`" in str(caught.value.cure)
        assert not stranger.ready()
    with SyncClient(door.url.replace("https", "http"), retries=0) as stranger:
        with pytest.raises(ServerUnreachable, match="hung up") as caught:
            stranger.models()
        assert "https://" in str(caught.value.cure)


def test_a_certificate_for_another_name_is_told(pems: Any) -> None:
    certificate, key = pems.make("far", "DNS:far.example.org")
    security = SecuritySettings(tls_certificate=certificate, tls_key=key)
    door = Door(FakeBackend(), ServeSettings(security=security))
    with SyncClient(door.url, ca=certificate, retries=0) as client:
        with pytest.raises(ServerUnreachable, match="mismatch") as caught:
            client.models()
        assert "a name that the certificate is for" in str(caught.value.cure)
    door.close()


def test_bench(door: Door, pems: Any, capsys: pytest.CaptureFixture[str]) -> None:
    short = ("--connections", "2", "--duration", "200ms", "--json")
    assert main(["bench", door.url, "weather", *short, "--ca", str(pems.certificate)]) == 0
    [line] = json.loads(capsys.readouterr().out)
    assert line["outcomes"].keys() == {"ok"}
    assert main(["bench", door.url, "weather", *short]) == 9
    assert "certificate is not trusted" in capsys.readouterr().err
    assert main(["bench", door.url, "weather", *short, "--ca", str(pems.key)]) == 2
    assert "no PEM file of an authority" in capsys.readouterr().err


@pytest.mark.parametrize("said", [b"GET /v2 HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01", b""])
def test_who_speaks_no_tls_is_sent_away_and_not_kept(door: Door, said: bytes) -> None:
    """At once where it can be seen, else when the handshake is overdue (`serve.limits.slow`)."""
    with socket.create_connection(("127.0.0.1", door.lane.port), 5) as plain:
        plain.sendall(said)
        plain.settimeout(8)
        try:
            while plain.recv(4096):
                pass
        except ConnectionResetError:
            pass
    assert door.http("GET", "/v2/health/live")[0] == 200


def test_old_tls_is_refused(door: Door) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", door.lane.port), 5) as plain, pytest.raises(ssl.SSLError):
        old.wrap_socket(plain)
