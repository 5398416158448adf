"""Nothing listens before these agree."""

import asyncio
import ssl
import stat
import subprocess
from pathlib import Path

import pytest

from foretell.config import SecuritySettings
from foretell.errors import ConfigError
from foretell.serve.security.startup import (
    check_binding,
    is_loopback,
    ray_auth_environment,
    tls_context,
)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("", False),
        ("192.0.2.7", False),
        ("no such name", False),
    ],
)
def test_what_is_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
@pytest.mark.parametrize("keys", [None, Path("keys.json")])
@pytest.mark.parametrize("insecure", [False, True])
def test_off_loopback_wants_keys_or_insecure(host: str, keys: Path | None, insecure: bool) -> None:
    security = SecuritySettings(keys=keys, insecure=insecure)
    if host == "127.0.0.1" or keys or insecure:
        assert check_binding(host, security) is (host == "127.0.0.1")
        return
    with pytest.raises(ConfigError, match=r"0\.0\.0\.0 can be reached from other machines") as caught:
        check_binding(host, security)
    assert "--insecure" in str(caught.value.cure)


class Pems:
    """Certificates of one's own making."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.certificate, self.key = self.make("good")
        _, self.other_key = self.make("other")
        self.encrypted = folder / "encrypted.pem"
        self._openssl("pkey", "-in", self.key, "-aes256", "-passout", "pass:x", "-out", self.encrypted)

    def make(self, name: str) -> tuple[Path, Path]:
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}-key.pem"
        new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
        who = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
        self._openssl("req", "-x509", *new, *who, "-keyout", key, "-out", certificate)
        return certificate, key

    def _openssl(self, *arguments: str | Path) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)


@pytest.fixture(scope="module")
def pems(tmp_path_factory: pytest.TempPathFactory) -> Pems:
    return Pems(tmp_path_factory.mktemp("pems"))


def settings(certificate: Path | None, key: Path | None) -> SecuritySettings:
    return SecuritySettings(tls_certificate=certificate, tls_key=key)


def test_a_pair_makes_a_context_that_a_client_can_trust(pems: Pems) -> None:
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


def test_wrong_pairs_say_what_is_wrong(pems: Pems, tmp_path: Path) -> None:
    junk = tmp_path / "junk.pem"
    junk.write_text("no PEM")
    for certificate, key, said in (
        (pems.certificate, None, "one is missing"),
        (None, pems.key, "one is missing"),
        (pems.certificate, tmp_path / "none.pem", "No such file"),
        (pems.certificate, pems.other_key, "do not belong together"),
        (pems.certificate, junk, "in PEM form"),
        (junk, pems.key, "in PEM form"),
        (pems.certificate, pems.encrypted, "is encrypted"),
    ):
        with pytest.raises(ConfigError, match=said) as caught:
            tls_context(settings(certificate, key))
        assert caught.value.cure


def test_rays_token_is_private_and_stays(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "ray"
    first = ray_auth_environment(folder)
    assert first["RAY_AUTH_MODE"] == "token"
    file = Path(first["RAY_AUTH_TOKEN_PATH"])
    token = file.read_text()
    assert len(token) == 64
    assert (stat.S_IMODE(folder.stat().st_mode), stat.S_IMODE(file.stat().st_mode)) == (0o700, 0o600)
    assert ray_auth_environment(folder) == first
    assert file.read_text() == token
    assert [f.name for f in folder.iterdir()] == [file.name]
    assert token not in str(first)


@pytest.mark.parametrize("open_one", ["folder", "file"])
def test_a_token_that_others_may_read_is_refused(tmp_path: Path, open_one: str) -> None:
    folder = tmp_path / "ray"
    file = Path(ray_auth_environment(folder)["RAY_AUTH_TOKEN_PATH"])
    (folder.chmod(0o755) if open_one == "folder" else file.chmod(0o644))
    with pytest.raises(ConfigError, match="others may open it") as caught:
        ray_auth_environment(folder)
    assert "chmod" in str(caught.value.cure)
