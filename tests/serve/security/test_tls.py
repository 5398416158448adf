"""A certificate and a key that clients can trust, or why not, by the file's name."""

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest

from foretell.config import SecuritySettings
from foretell.errors import ConfigError
from foretell.serve.security.tls import certificate_names, tls_context


def settings(certificate: Path | None, key: Path | None) -> SecuritySettings:
    return SecuritySettings(tls_certificate=certificate, tls_key=key)


def test_a_pair_makes_a_context_that_a_client_can_trust(pems: Any) -> None:
    context = tls_context(settings(pems.certificate, pems.key))
    assert context is not None
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2

    async def greet() -> bytes:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readline())
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
        async with server:
            trust = ssl.create_default_context(cafile=str(pems.certificate))
            port = server.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection("localhost", port, ssl=trust)
            writer.write(b"hello\n")
            line = await reader.readline()
            writer.close()
            return line

    assert asyncio.run(greet()) == b"hello\n"


def test_without_certificate_and_key_there_is_no_tls() -> None:
    assert tls_context(settings(None, None)) is None


def test_wrong_pairs_say_what_is_wrong(pems: Any, tmp_path: Path) -> None:
    junk, folder = tmp_path / "junk.pem", tmp_path / "folder"
    junk.write_text("no PEM")
    folder.mkdir()
    for certificate, key, said in (
        (pems.certificate, None, "one is missing"),
        (None, pems.key, "one is missing"),
        (pems.certificate, tmp_path / "none.pem", "none.pem: No such file"),
        (folder, pems.key, "folder: Is a directory"),
        (pems.certificate, pems.other_key, "good.pem, .*other-key.pem: .* do not belong together"),
        (pems.certificate, junk, "junk.pem: no private key"),
        (pems.certificate, pems.certificate, "good.pem: no private key"),
        (junk, pems.key, "junk.pem: no certificate"),
        (pems.key, pems.key, "good-key.pem: no certificate"),
        (pems.certificate, pems.encrypted, "encrypted.pem: the key is encrypted"),
    ):
        with pytest.raises(ConfigError, match=said) as caught:
            tls_context(settings(certificate, key))
        assert caught.value.cure


def test_what_a_certificate_is_for(pems: Any) -> None:
    for certificate, key, names in (
        (pems.certificate, pems.key, ["localhost", "127.0.0.1"]),
        (*pems.make("far", "DNS:*.example.org,DNS:api.example.net"), ["*.example.org", "api.example.net"]),
    ):
        context = tls_context(settings(certificate, key))
        assert context is not None
        assert certificate_names(context, certificate) == names


def test_one_that_clients_would_refuse_is_told(pems: Any) -> None:
    context = tls_context(settings(pems.expired, pems.key))
    assert context is not None
    with pytest.raises(ConfigError, match=r"expired\.pem: certificate has expired") as caught:
        certificate_names(context, pems.expired)
    assert "openssl x509" in str(caught.value.cure)
