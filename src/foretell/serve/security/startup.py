"""What is checked before anything listens: the address, TLS, and Ray's own token."""

import ipaddress
import os
import secrets
import socket
import ssl
from pathlib import Path

from foretell.config import SecuritySettings
from foretell.errors import ConfigError


def check_binding(host: str, security: SecuritySettings) -> bool:
    """Whether `host` is loopback only.

    Raises:
        ConfigError: it is not, there are no keys, and nobody said that this is meant.
    """
    loopback = is_loopback(host)
    if not loopback and security.keys is None and not security.insecure:
        raise ConfigError(
            f"{host} can be reached from other machines, and anybody there could ask without a key",
            cure="make keys (`foretell keys new`) and name the file in serve.security.keys, "
            "stay on 127.0.0.1, or say --insecure",
        )
    return loopback


def is_loopback(host: str) -> bool:
    """Every address that the name stands for is this machine's own; an unknown name is not."""
    if not host:  # to a socket it means every address
        return False
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return all(ipaddress.ip_address(str(where[0]).partition("%")[0]).is_loopback for *_, where in found)


def tls_context(security: SecuritySettings) -> ssl.SSLContext | None:
    """For the lane; `None` where neither certificate nor key is set.

    Raises:
        ConfigError: one without the other, not readable, not PEM, encrypted, or not a pair.
    """
    certificate, key = security.tls_certificate, security.tls_key
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise ConfigError(
            "TLS wants both serve.security.tls_certificate and tls_key, and one is missing",
            cure="name both PEM files, or neither",
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    for file in (certificate, key):
        _readable(file)
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        raise ConfigError(f"{certificate}, {key}: {_in_words(error)}", cure=_pem_cure(error)) from None
    return context


def _readable(file: Path) -> None:
    try:
        file.open("rb").close()
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}", cure="the server must be able to read it") from None


def _no_password() -> str:
    """Without this OpenSSL would ask on the terminal, and a server that starts by itself would hang."""
    raise ValueError("encrypted")


def _in_words(error: Exception) -> str:
    if str(error) == "encrypted":
        return "the key is encrypted, and nobody is there to type its password"
    if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
        return "certificate and key do not belong together"
    return "not a certificate (with its chain) and a key in PEM form"


def _pem_cure(error: Exception) -> str:
    if str(error) == "encrypted":
        return "decrypt it: openssl pkey -in KEY -out PLAIN, and chmod 600 PLAIN"
    return "compare `openssl x509 -noout -pubkey -in CERTIFICATE` with `openssl pkey -pubout -in KEY`"


def ray_auth_environment(folder: Path) -> dict[str, str]:
    """What a Ray that we start needs so that only those who read the token's file can use it.

    The file is made where it is missing (mode 0600, in a folder of mode 0700) and used again afterwards. Ray
    itself would write its own with mode 0644. Give it to each process of that Ray, before the environment's
    own variables: `{**ray_auth_environment(folder), **os.environ}`.

    Raises:
        ConfigError: the folder or the file is open to others.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / "ray-token"
    if not file.exists():
        _write_token(file)
    for path, cure in ((folder, f"chmod 700 {folder}"), (file, f"chmod 600 {file}")):
        if path.stat().st_mode & 0o077:
            raise ConfigError(f"{path}: others may open it, and it guards Ray's token", cure=cure)
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(file.absolute())}


def _write_token(file: Path) -> None:
    """Whole or not at all, and the first of several that start at once decides."""
    beside = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(secrets.token_hex(32))
    try:
        os.link(beside, file)
    except FileExistsError:
        pass
    finally:
        beside.unlink()
